/** What onnxruntime's two packages share: a session per case, and timed runs that fetch only the probe. */

import { headMajorIndex, type PeerCase } from '../cases.js';
import { type CaseModel, caseModel, onnxVariants, PROBE } from '../onnxModels.js';
import { type Description, serve } from '../protocol.js';

interface OrtTensor {
  readonly data: Float32Array;
}
/** The part of a session that is used. */
export interface OrtSession {
  run(
    feeds: Readonly<Record<string, OrtTensor>>,
    fetches: readonly string[],
  ): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}
/** The part of onnxruntime's interface that is used. */
export interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OrtSession>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => OrtTensor;
}

interface Runtime {
  readonly ort: Ort;
  readonly describe: () => Promise<Description>;
  readonly options: Readonly<Record<string, unknown>>;
  /** Waits for a GPU promise. */
  readonly wait: <T>(promise: Promise<T>) => Promise<T>;
  /** Never release a session, because that makes the next one unusable. */
  readonly keepSessions?: boolean;
}

interface Prepared {
  readonly session: OrtSession;
  readonly feeds: Readonly<Record<string, OrtTensor>>;
}

/** Answers the questions of the bench with onnxruntime. */
export async function serveOrt({
  ort,
  describe,
  options,
  wait,
  keepSessions = false,
}: Runtime): Promise<void> {
  const kept: OrtSession[] = [];
  const prepared = new Map<string, Prepared>();
  const fetch = async ({ session, feeds }: Prepared, name: string) =>
    (await wait(session.run(feeds, [name])))[name]!.data;

  await serve({
    describe,
    variants: async ({ work }) => onnxVariants(work),
    async prepare({ work, variant, places }) {
      const model = caseModel(work, variant);
      const feeds = Object.fromEntries(
        model.feeds.map(({ name, shape, data }) => [name, new ort.Tensor('float32', data, shape)]),
      );
      const session = await wait(
        ort.InferenceSession.create(model.bytes, {
          ...options,
          graphOptimizationLevel: model.constant ? 'disabled' : 'all',
        }),
      );
      if (keepSessions) kept.push(session);
      const made = { session, feeds };
      prepared.set(variant, made);
      const values = await fetch(made, 'y');
      return places.map((at) => values[placeIn(model, work, at)]!);
    },
    async run({ variant, count }) {
      const made = prepared.get(variant)!;
      let probe = new Float32Array(PROBE);
      const started = performance.now();
      for (let i = 0; i < count; i++) probe = (await fetch(made, 'probe')) as Float32Array<ArrayBuffer>;
      return { milliseconds: performance.now() - started, probe: [...probe] };
    },
    async release() {
      if (!keepSessions) for (const { session } of prepared.values()) await session.release();
      prepared.clear();
      return null;
    },
  });
}

function placeIn(model: CaseModel, work: PeerCase, at: number): number {
  if (!model.headMajor || work.kind !== 'attention') return at;
  return headMajorIndex(at, work.batch, work.heads, work.tokens);
}
