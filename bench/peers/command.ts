/** `bench peers`: the comparison with other WebGPU libraries. */

import type { Level } from '../../engine/capabilities.js';
import { UserError } from '../../engine/errors.js';
import { listAdapters, openGpu } from '../../engine/gpu/gpu.js';
import { environmentOf } from '../environment.js';
import { writeReport } from '../results.js';
import { CASES, nameOf, type PeerCase, QUICK_CASES } from './cases.js';
import { compare, contenders, keyOf, type PeerRow } from './compare.js';
import { Contender } from './contender.js';
import { installPeers } from './install.js';
import { renderPeers } from './render.js';

/** Flags of `bench peers`. */
export interface PeerFlags {
  readonly only?: readonly string[];
  readonly shapes?: readonly string[];
  readonly peers?: readonly string[];
  /** Batch sizes of the encoder. */
  readonly batches: readonly number[];
  readonly repeats: number;
  readonly quick?: boolean;
  /** Level of our own kernels. */
  readonly level?: Level;
  readonly out?: string;
  readonly append?: boolean;
}

function chosen({ only, shapes, quick, batches }: PeerFlags): PeerCase[] {
  const has = (list: readonly string[] | undefined, text: string) =>
    list === undefined || list.some((part) => text.toLowerCase().includes(part.toLowerCase()));
  const known = (quick ? QUICK_CASES : CASES).flatMap((work): PeerCase[] =>
    work.kind === 'encoder' ? batches.map((batch) => ({ ...work, batch })) : [work],
  );
  const cases = known.filter((work) => has(only, work.kind) && has(shapes, nameOf(work).replaceAll(' ', '')));
  if (cases.length === 0)
    throw new UserError(
      'no case matches --only and --shapes',
      `choose among: ${known.map(nameOf).join('; ')}`,
    );
  return cases;
}

/** Runs `bench peers` and returns its report. */
export async function runPeers(flags: PeerFlags): Promise<string> {
  const cases = chosen(flags);
  installPeers();
  const log = (text: string) => process.stderr.write(`${text}\n`);
  const gpu = await openGpu({ level: flags.level });
  const environment = environmentOf(gpu);
  gpu.destroy();
  const team: Contender[] = [];
  // onnxruntime-node has no option to choose the adapter.
  const free = process.env.PROMPTKD_ADAPTER !== undefined && (await listAdapters()).length > 1;
  if (free) log('onnxruntime-node is skipped, as it would choose another adapter');
  const specs = contenders(environment.adapter, flags.level).filter(
    ({ id }) =>
      id === 'ours' ||
      ((flags.peers === undefined || flags.peers.includes(id)) && !(free && id === 'onnxruntime-node')),
  );
  for (const spec of specs)
    try {
      team.push(await Contender.start(spec));
    } catch (error) {
      log(`${spec.id} does not start: ${(error as Error).message}`);
    }
  const versions = Object.assign(
    {},
    environment.versions,
    ...team.map(({ description }) => description.versions),
  );
  const date = new Date().toISOString();
  const repetition = { repeats: flags.repeats, leastMs: flags.quick ? 5 : 100, mostRuns: 64 };
  const rows: PeerRow[] = [];
  let text = '';
  try {
    for (const work of cases) {
      log(nameOf(work));
      rows.push(...(await compare(team, work, repetition, log)));
      // Write after every case, so that a stopped command keeps its results.
      const report = { name: 'peers', date, environment: { ...environment, versions }, rows };
      const append = flags.append ? { keyOf } : undefined;
      text = writeReport(report, renderPeers, { out: flags.out, append });
    }
  } finally {
    for (const contender of team) contender.stop();
  }
  return text;
}
