/** The kernels that can compute a launch of attention on an adapter, and the choice between them. */
import type { Capabilities } from '../../capabilities.js';
import type { Dispatch } from '../../graph/dispatch.js';
import type { KernelContext } from '../../graph/op.js';
import type { Tensor } from '../../graph/tensor.js';
import { type Candidate, chosenDispatch, type Tunable } from '../../graph/tunable.js';
import { cpuAttentionKernel } from './cpu/candidates.js';
import { type AttentionKernel, type AttentionLaunch, HEAD_WIDTH } from './launch.js';
import {
  attentionTensorCoreConfigs,
  attentionTensorCoreKernel,
  attentionTensorCoreName,
} from './tensorCore.js';
import { attentionTrial, smallAttention } from './trial.js';

/** The portable kernel: plain WGSL with tiles in workgroup memory. */
const SHARED_MEMORY_TILED: AttentionKernel = {
  shader: 'attention_shared_memory',
  tileRows: 32,
  constants: {},
};

function dispatchOf(
  { entry, reads, writes, heads, causal }: AttentionLaunch,
  { shader, tileRows, constants }: AttentionKernel,
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
      BACKWARD_DQ: entry === 'backward_dq',
      BACKWARD_DKV: entry === 'backward_dkv',
      BACKWARD: entry !== 'forward',
      ...constants,
    },
    uniforms: { TOKENS: tokens, HEADS: heads },
    reads: bind(reads),
    writes: bind(writes),
    workgroups: [Math.ceil(tokens / tileRows), heads, batch],
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
  const cpuKernel = cpuAttentionKernel(tokens, launch.entry, capabilities);
  if (cpuKernel) return [candidate(cpuKernel.shader, cpuKernel)];
  const portable = candidate('shared-memory-tiled', SHARED_MEMORY_TILED);
  if (capabilities.software) return [portable];
  const tensorCore = attentionTensorCoreConfigs(launch, capabilities).map((config) =>
    candidate(attentionTensorCoreName(config), attentionTensorCoreKernel(launch.entry, config, capabilities)),
  );
  return [...tensorCore, portable];
}

/** The dispatch that computes a launch: what the tuner or the checks chose, else the first candidate. */
export function chooseAttention(
  launch: AttentionLaunch,
  { capabilities, choose }: Pick<KernelContext, 'capabilities' | 'choose'>,
): Dispatch {
  const { entry, reads, writes, heads, causal } = launch;
  const [batch, tokens] = reads.qkv.shape as [number, number];
  const shape = `${batch}x${heads}x${tokens}x${HEAD_WIDTH} ${reads.qkv.dtype}`;
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
