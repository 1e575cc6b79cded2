/** What Mesa's driver for AMD says of a compiled kernel (`RADV_DEBUG=shaderstats`). */

/** Begins the lines that compile.mjs puts between the driver's. */
export const MARK = '@promptkd ';

/** A field of a row, and what the driver calls it. */
const FIELDS = {
  vgprs: 'VGPRs',
  sgprs: 'SGPRs',
  spilledVgprs: 'Spilled VGPRs',
  spilledSgprs: 'Spilled SGPRs',
  scratch: 'Scratch size',
  lds: 'LDS size',
  waves: 'Subgroups per SIMD',
  // An estimate: what a wave keeps the SIMD from doing for others, with eight turns for each loop, nested ones multiplied.
  cycles: 'Inverse Throughput',
  latency: 'Latency',
  instructions: 'Instructions',
  bytes: 'Code size',
};

/** The statistics in a piece of the driver's output; undefined where there are none. */
function parse(text) {
  const said = new Map([...text.matchAll(/^([A-Za-z][\w -]*): (\d+)$/gm)].map(([, name, n]) => [name, +n]));
  if (!said.has('VGPRs')) return undefined;
  return Object.fromEntries(Object.entries(FIELDS).map(([field, name]) => [field, said.get(name)]));
}

/**
 * What a run of compile.mjs wrote: the adapter, and a row a kernel with the driver's figures or an `error`.
 *
 * @returns `done` is false where it ended too early
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
