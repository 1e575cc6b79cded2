/**
 * Times this project and its peers on the same work, each in its own process on the same adapter. They take turns in every round.
 * A time only counts if the results computed in that time agree with a float64 reference.
 */
import type { Level } from '../../engine/capabilities.js';
import { type Repetition, runsFor, summarise, type Timing } from '../../engine/gpu/measure.js';
import { flopsOf, nameOf, type PeerCase, resultSize } from './cases.js';
import { Contender, type ContenderSpec } from './contender.js';
import { PROBE } from './onnxModels.js';
import { expectedAt, placesOf, relativeError } from './oracle.js';

/** A row of the results: one variant of one library for a case. */
export interface PeerRow {
  readonly case: string;
  readonly kind: PeerCase['kind'];
  readonly contender: string;
  readonly variant: string;
  readonly date: string;
  readonly flops?: number;
  /** Absent if it failed, see `failure`. */
  readonly timing?: Timing;
  /** Relative error (L2) against the reference. */
  readonly error?: number;
  readonly failure?: string;
}

/** Identifies a row: it replaces an earlier one with the same key. */
export const keyOf = (row: PeerRow): string => [row.case, row.contender, row.variant].join('\n');

/** The libraries that take part on the adapter of this name. */
export function contenders(adapter: string, level?: Level): ContenderSpec[] {
  return [
    { id: 'ours', program: 'ours', arguments: level ? [level] : [] },
    { id: 'onnxruntime-node', program: 'onnxruntimeNode', arguments: ['webgpu'] },
    { id: 'onnxruntime-web', program: 'onnxruntimeWeb', arguments: [adapter] },
    { id: 'tfjs', program: 'tfjs', arguments: [adapter] },
    { id: 'jax-js', program: 'jax', arguments: [adapter] },
  ];
}

/** The reference for work that is too large for our float64 reference. */
const REFERENCE: ContenderSpec = {
  id: 'onnxruntime-node cpu',
  program: 'onnxruntimeNode',
  arguments: ['cpu'],
};

/** Float32 sums of these lengths differ in their last digits; wrong results differ by far more. */
const TOLERANCE = 2e-4;
/** onnxruntime's fused attention on WebGPU is off by some per cent on software adapters. It takes part, and its error is shown. */
const FUSED_TOLERANCE = 0.15;
const toleranceOf = (contender: string, variant: string) =>
  contender.startsWith('onnxruntime') && variant.startsWith('fused') ? FUSED_TOLERANCE : TOLERANCE;

interface Expected {
  readonly places: readonly number[];
  readonly values: readonly number[];
  readonly probe: readonly number[];
}

interface Entrant {
  readonly contender: Contender;
  readonly variant: string;
  readonly error: number;
  runs: number;
  readonly samples: number[];
}

/** Measures `work` with all libraries. One that fails gets a row with the failure. */
export async function compare(
  team: readonly Contender[],
  work: PeerCase,
  repetition: Repetition,
  log: (text: string) => void,
): Promise<PeerRow[]> {
  const expected = await expectedOf(work);
  const row = (contender: string, variant: string, rest: Partial<PeerRow>): PeerRow => ({
    case: nameOf(work),
    kind: work.kind,
    contender,
    variant,
    date: new Date().toISOString(),
    flops: flopsOf(work),
    ...rest,
  });
  const failures: PeerRow[] = [];
  const entrants: Entrant[] = [];
  const fail = (id: string, variant: string, error: unknown) => {
    const failure = String((error as Error).message).slice(0, 400);
    log(`${id} ${variant}: ${failure}`);
    failures.push(row(id, variant, { failure }));
  };
  for (const contender of team) {
    const { id } = contender.spec;
    let variants: readonly string[] = [];
    try {
      variants = await contender.ask({ do: 'variants', work });
    } catch (error) {
      fail(id, '', error);
    }
    for (const variant of variants)
      try {
        const values = await contender.ask({ do: 'prepare', work, variant, places: expected.places });
        const error = relativeError(values, expected.values);
        const entrant = { contender, variant, error, runs: 1, samples: [] };
        demand(error, entrant);
        // `prepare` has already run once, so this run is warm. Short runs are repeated, as the first still varies.
        let warm = await sample(entrant, expected);
        if (warm < repetition.leastMs) warm = await sample(entrant, expected);
        entrant.runs = runsFor(warm, repetition);
        entrants.push(entrant);
      } catch (error) {
        fail(id, variant, error);
      }
  }
  const out = new Set<Entrant>();
  for (let round = 0; round < repetition.repeats; round++)
    for (const entrant of entrants)
      if (!out.has(entrant))
        try {
          entrant.samples.push(await sample(entrant, expected));
        } catch (error) {
          out.add(entrant);
          fail(entrant.contender.spec.id, entrant.variant, error);
        }
  for (const contender of team) await contender.ask({ do: 'release' }).catch(() => undefined);
  const rows = entrants
    .filter((entrant) => !out.has(entrant))
    .map(({ contender, variant, error, samples, runs }) =>
      row(contender.spec.id, variant, { error, timing: summarise(samples, runs) }),
    );
  return [...rows, ...failures];
}

/** Milliseconds per run. Throws if the results are wrong. */
async function sample(entrant: Entrant, { probe }: Expected): Promise<number> {
  const { contender, variant, runs } = entrant;
  const answer = await contender.ask({ do: 'run', variant, count: runs });
  demand(relativeError(answer.probe, probe), entrant);
  return answer.milliseconds / runs;
}

function demand(error: number, { contender, variant }: Pick<Entrant, 'contender' | 'variant'>): void {
  const tolerance = toleranceOf(contender.spec.id, variant);
  if (!(error <= tolerance))
    throw new Error(`wrong results: relative error ${error.toExponential(1)}, allowed ${tolerance}`);
}

async function expectedOf(work: PeerCase): Promise<Expected> {
  const size = resultSize(work);
  const places = placesOf(size);
  const last = Array.from({ length: PROBE }, (_, i) => size - PROBE + i);
  const all =
    expectedAt(work, [...places, ...last]) ?? (await onnxruntimeResults(work, [...places, ...last]));
  return { places, values: all.slice(0, places.length), probe: all.slice(places.length) };
}

/** Results from onnxruntime on the CPU, whose kernels none of the contenders use. */
async function onnxruntimeResults(work: PeerCase, places: readonly number[]): Promise<readonly number[]> {
  const reference = await Contender.start(REFERENCE);
  try {
    const [, unfused] = await reference.ask({ do: 'variants', work });
    return await reference.ask({ do: 'prepare', work, variant: unfused!, places });
  } finally {
    reference.stop();
  }
}
