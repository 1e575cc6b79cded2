/** Parses the statistics of Mesa's driver for AMD (`RADV_DEBUG=shaderstats`). */

/** Prefix of the lines that compile.mjs writes between the driver's. */
export const MARK = '@promptkd ';

/** Fields of a row, and their names in the driver's output. */
const FIELDS = {
  vgprs: 'VGPRs',
  sgprs: 'SGPRs',
  spilledVgprs: 'Spilled VGPRs',
  spilledSgprs: 'Spilled SGPRs',
  scratch: 'Scratch size',
  lds: 'LDS size',
  waves: 'Subgroups per SIMD',
  // The driver's estimate of how long a wave occupies the SIMD, with eight iterations per loop.
  cycles: 'Inverse Throughput',
  latency: 'Latency',
  instructions: 'Instructions',
  bytes: 'Code size',
};

/** The statistics in a piece of the driver's output, or undefined. */
function parse(text) {
  const said = new Map([...text.matchAll(/^([A-Za-z][\w -]*): (\d+)$/gm)].map(([, name, n]) => [name, +n]));
  if (!said.has('VGPRs')) return undefined;
  return Object.fromEntries(Object.entries(FIELDS).map(([field, name]) => [field, said.get(name)]));
}

/**
 * Parses the output of compile.mjs: the adapter, and one row per kernel with the driver's figures or an `error`.
 *
 * @returns `done` is false if it ended too early
 */
export function read(output) {
  const rows = [];
  let adapter;
  let done = false;
  for (const part of output.split(MARK).slice(1)) {
    const end = part.indexOf('\n');
    const { kernel, error, ...said } = JSON.parse(part.slice(0, end));
    if (said.adapter) adapter = said;
    if (said.done) done = true;
    if (kernel === undefined) continue;
    if (error === undefined) rows.push({ kernel, ...parse(part.slice(end)) });
    else Object.assign(rows.at(-1), { error });
  }
  return { adapter, done, rows };
}
