/** The kernels that can compute a launch of attention on an adapter, and the choice between them. */
import type { Capabilities } from '../../capabilities.js';
import type { Constant, Dispatch } from '../../graph/dispatch.js';
import type { KernelContext } from '../../graph/op.js';
import type { Tensor } from '../../graph/tensor.js';
import { type Candidate, chosenDispatch, type Tunable } from '../../graph/tunable.js';
import { type AttentionEntry, type AttentionLaunch, HEAD } from './launch.js';
import { attentionMatrices, attentionMatrixKernel, attentionMatrixName } from './tensorCore.js';
import { attentionTrial, smallAttention } from './trial.js';

/** A text, its own constants, and the rows that a workgroup of it owns. */
interface AttentionKernel {
  readonly shader: string;
  readonly own: number;
  readonly constants: Readonly<Record<string, Constant>>;
}

/** Rows that a workgroup of attention.wgsl owns. */
const OWN = 32;

/** Rows that a subgroup owns at the most: what its slices of them and of their sums take of a CPU's first cache. */
const ROWS_OF_SLICES = { forward: 16, queries: 12, keys: 8 } as const;
/** The same, a lane. */
const ROWS_A_LANE = { forward: 5, queries: 5, keys: 4 } as const;

/** For CPU adapters whose subgroups all have one size, a vector of the CPU; undefined for others. */
function cpuKernel(
  tokens: number,
  entry: AttentionEntry,
  { software, level, subgroupSize: [LANES, largest] = [0, 0] }: Capabilities,
): AttentionKernel | undefined {
  if (!software || level === 'portable' || LANES !== largest) return undefined;
  if (LANES === 8 || LANES === 16) {
    const groups = Math.ceil(tokens / ROWS_OF_SLICES[entry]);
    const ROWS = Math.ceil(tokens / groups);
    const SLICES = HEAD / 4 / LANES;
    return {
      shader: 'attention_slices',
      own: ROWS,
      constants: { LANES, ROWS, SLICES, VALUES: ROWS * SLICES },
    };
  }
  if (LANES === 4) {
    const groups = Math.ceil(tokens / (ROWS_A_LANE[entry] * LANES));
    const ROWS = Math.ceil(tokens / groups / LANES);
    const constants = { LANES, ROWS, STRIPS: entry === 'forward' ? 2 : 1, STEPS: 1 };
    return { shader: 'attention_lanes', own: ROWS * LANES, constants };
  }
  return undefined;
}

function dispatchOf(
  { entry, reads, writes, heads, causal }: AttentionLaunch,
  { shader, own, constants }: AttentionKernel,
): Dispatch {
  const [batch, tokens] = reads.qkv.shape as [number, number];
  // lse and delta are one value a row.
  const bind = (tensors: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [
        name,
        name === 'lse' || name === 'delta' ? tensor : ({ tensor, as: 'vec4' } as const),
      ]),
    );
  return {
    shader,
    entry,
    constants: {
      CAUSAL: causal,
      FORWARD: entry === 'forward',
      STORE_LSE: 'lse' in writes,
      QUERIES: entry === 'queries',
      KEYS: entry === 'keys',
      BACKWARD: entry !== 'forward',
      ...constants,
    },
    uniforms: { TOKENS: tokens, HEADS: heads },
    reads: bind(reads),
    writes: bind(writes),
    workgroups: [Math.ceil(tokens / own), heads, batch],
  };
}

/** Every kernel that can compute `launch`, the one that should be fastest first. */
export function attentionCandidates(
  launch: AttentionLaunch,
  capabilities: Capabilities,
): Candidate<AttentionLaunch>[] {
  const [, tokens] = launch.reads.qkv.shape as [number, number];
  const candidate = (name: string, kernel: AttentionKernel): Candidate<AttentionLaunch> => ({
    name,
    dispatch: (work) => dispatchOf(work, kernel),
  });
  const own = cpuKernel(tokens, launch.entry, capabilities);
  if (own) return [candidate(own.shader, own)];
  const portable = candidate('attention', { shader: 'attention', own: OWN, constants: {} });
  if (capabilities.software) return [portable];
  const matrices = attentionMatrices(launch, capabilities).map((config) =>
    candidate(attentionMatrixName(config), attentionMatrixKernel(launch.entry, config, capabilities)),
  );
  return [...matrices, portable];
}

/** The dispatch that computes a launch. */
export function chooseAttention(
  launch: AttentionLaunch,
  { capabilities, choose }: Pick<KernelContext, 'capabilities' | 'choose'>,
): Dispatch {
  const { entry, reads, writes, heads, causal } = launch;
  const [batch, tokens] = reads.qkv.shape as [number, number];
  const shape = `${batch}x${heads}x${tokens}x${HEAD} ${reads.qkv.dtype}`;
  const tunable: Tunable<AttentionLaunch> = {
    key: `attention ${entry} ${shape}${causal ? ' causal' : ''}${'lse' in writes ? ' + lse' : ''}`,
    work: launch,
    candidates: attentionCandidates(launch, capabilities),
    trial: (chosen) => {
      const work = smallAttention(launch);
      return attentionTrial(work, chosen.dispatch(work));
    },
  };
  return chosenDispatch(tunable, choose);
}
