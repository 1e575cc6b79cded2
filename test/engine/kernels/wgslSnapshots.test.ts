/**
 * The generated WGSL of one launch a kernel and capability level, so that a change of generated code shows in a diff. Comments and the
 * activation functions are left out.
 * `npx vitest run test/engine/kernels/wgslSnapshots.test.ts --update` accepts it.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Capabilities, PORTABLE } from '../../../engine/capabilities.js';
import { everyExample, gradientsOf } from '../../../engine/examples.js';
import { peakGraphs } from '../../../engine/gpu/peaks.js';
import { Schedule } from '../../../engine/gpu/schedule.js';
import { type DType, input } from '../../../engine/graph/tensor.js';
import { attentionCandidates } from '../../../engine/kernels/attention/candidates.js';
import type { AttentionLaunch } from '../../../engine/kernels/attention/launch.js';
import { type KernelSource, kernelSource } from '../../../engine/kernels/kernelSource.js';
import { matmulCandidates } from '../../../engine/kernels/matmul/candidates.js';
import type { Epilogue } from '../../../engine/kernels/matmul/launch.js';
import { shaderSources } from '../../../shaders/generated.js';

const FOLDER = fileURLToPath(new URL('snapshots', import.meta.url));

const GPU: Capabilities = { ...PORTABLE, software: false };
const SUBGROUPS: Capabilities = { ...GPU, level: 'subgroups', subgroups: true, subgroupSize: [32, 32] };
const SOFTWARE: Capabilities = { ...PORTABLE, software: true };
const EIGHT_LANES: Capabilities = {
  ...SOFTWARE,
  level: 'subgroups',
  subgroups: true,
  subgroupSize: [8, 8],
};
const FOUR_LANES: Capabilities = { ...EIGHT_LANES, subgroupSize: [4, 4] };
/** Matrices of one size and type, and subgroups of several sizes, so that one is pinned. */
const tensorCores = (componentType: DType, edge: number): Capabilities => ({
  ...SUBGROUPS,
  level: 'matrix',
  f16: true,
  subgroupSize: [8, 64],
  subgroupSizeControl: true,
  subgroupMatrix: [{ componentType, resultComponentType: 'f32', M: edge, N: edge, K: edge }],
  workgroupMemory: 49152,
});

/** The first candidate of a matmul that runs `shader`. A layout is of A and B, each N(ot) or T(ransposed). */
function matmulSource(
  shader: string,
  capabilities: Capabilities,
  layout: 'NN' | 'NT' | 'TN',
  [m, n, k]: readonly [number, number, number],
  dtype: DType = 'f32',
  follows: readonly (keyof Epilogue)[] = [],
): KernelSource {
  const sizes = { batch: 2, m, n, k, transposeA: layout[0] === 'T', transposeB: layout[1] === 'T' };
  const a = input(sizes.transposeA ? [2, k, m] : [2, m, k], 'a', dtype);
  const b = input(sizes.transposeB ? [2, n, k] : [2, k, n], 'b', dtype);
  const like = (name: string, type: DType = dtype) => input([2, m, n], name, type);
  const all: Epilogue = {
    bias: input([n], 'bias'),
    activation: 'quickGelu',
    preactivation: like('preactivation'),
    residual: like('residual', 'f32'),
    activationGradient: { preactivation: like('saved_preactivation'), activation: 'gelu' },
  };
  const epilogue: Epilogue = Object.fromEntries(follows.map((name) => [name, all[name]]));
  const problem = { a, b, c: like('c'), sizes, epilogue };
  for (const candidate of matmulCandidates(problem, capabilities)) {
    const dispatch = candidate.dispatch(problem);
    if (dispatch.shader === shader) return kernelSource(dispatch, capabilities);
  }
  throw new Error(`no candidate runs ${shader}`);
}

/** Forward and backward of attention as an adapter gets them first. */
function attentionSources(capabilities: Capabilities, dtype: DType = 'f32', causal = false): KernelSource[] {
  const [batch, tokens, heads] = [2, 2, 2];
  const qkv = input([batch, tokens, 192 * heads], 'qkv', dtype);
  const d_qkv = input(qkv.shape, 'd_qkv', dtype);
  const o = input([batch, tokens, 64 * heads], 'o', dtype);
  const d_o = input(o.shape, 'd_o', dtype);
  const lse = input([batch, heads, tokens], 'lse');
  const delta = input(lse.shape, 'delta');
  const launches: Pick<AttentionLaunch, 'entry' | 'reads' | 'writes'>[] = [
    { entry: 'forward', reads: { qkv }, writes: { o, lse } },
    { entry: 'backward_dq', reads: { qkv, o, lse, d_o }, writes: { d_qkv, delta } },
    { entry: 'backward_dkv', reads: { qkv, lse, d_o, delta }, writes: { d_qkv } },
  ];
  return launches.map((each) => {
    const launch = { heads, causal, ...each };
    return kernelSource(attentionCandidates(launch, capabilities)[0]!.dispatch(launch), capabilities);
  });
}

/** Of each kernel that the operations' examples run, except matmul and attention, the longest text. */
function operationSources(capabilities: Capabilities): Map<string, KernelSource> {
  const examples = everyExample();
  const peaks = peakGraphs(capabilities.software);
  const sources = [
    { outputs: examples.flatMap((one) => [...(one.output ? [one.output] : []), ...gradientsOf(one)]) },
    { updates: examples.flatMap(({ updates }) => updates) },
    { outputs: [...peaks.alu, peaks.copy] },
  ].flatMap((request) => new Schedule(request, capabilities).sources());
  const found = new Map<string, KernelSource>();
  for (const source of sources) {
    const { name, code } = source;
    if (/^(matmul|attention)_/.test(name)) continue;
    // Ties by the text, so that the order of the examples decides nothing.
    const other = found.get(name)?.code ?? '';
    if (code.length > other.length || (code.length === other.length && code < other)) found.set(name, source);
  }
  return found;
}

/** What is kept, by the name of its file. */
function snapshots(): Map<string, KernelSource> {
  const kept = new Map<string, KernelSource>();
  for (const [name, source] of operationSources(GPU)) kept.set(name, source);
  // All row kernels reduce alike: one of them shows the reduction by subgroups.
  kept.set('softmax.subgroups', operationSources(SUBGROUPS).get('softmax.row_per_workgroup')!);
  for (const [name, source] of operationSources(SOFTWARE)) if (!kept.has(name)) kept.set(name, source);

  const finish = ['bias', 'activation', 'preactivation', 'residual'] as const;
  const matmuls: readonly (readonly [string, KernelSource])[] = [
    ['nn', matmulSource('matmul_register_tiled', SOFTWARE, 'NN', [20, 24, 28])],
    ['nt', matmulSource('matmul_register_tiled', SOFTWARE, 'NT', [20, 24, 28], 'f16')],
    ['8-lanes', matmulSource('matmul_subgroup_broadcast', EIGHT_LANES, 'NT', [8, 24, 28])],
    ['4-lanes', matmulSource('matmul_subgroup_broadcast', FOUR_LANES, 'NN', [4, 24, 28])],
    ['nt', matmulSource('matmul_shared_memory', GPU, 'NT', [136, 200, 72], 'f32', finish)],
    ['ragged', matmulSource('matmul_shared_memory', GPU, 'TN', [33, 35, 37])],
    ['nt', matmulSource('matmul_skinny', GPU, 'NT', [8, 200, 72], 'f32', finish)],
    ['nn-f16', matmulSource('matmul_skinny', GPU, 'NN', [8, 200, 72], 'f16', ['activationGradient'])],
    ['nt-f16', matmulSource('matmul_tensor_core', tensorCores('f16', 16), 'NT', [64, 64, 64], 'f16', finish)],
    ['tn-f32', matmulSource('matmul_tensor_core', tensorCores('f32', 8), 'TN', [16, 16, 24])],
  ];
  for (const [suffix, source] of matmuls) kept.set(`${source.name}.${suffix}`, source);
  const attentions: readonly (readonly [string, KernelSource[]])[] = [
    ['', attentionSources(GPU)],
    ['.f16', attentionSources(tensorCores('f16', 16), 'f16', true)],
    ['', attentionSources(EIGHT_LANES, 'f32', true)],
    ['', attentionSources(FOUR_LANES)],
  ];
  for (const [suffix, sources] of attentions)
    for (const source of sources) kept.set(`${source.name}${suffix}`, source);
  return kept;
}

const bare = (text: string) =>
  `${text
    .split('\n')
    .map((line) => line.replace(/\s*\/\/.*$/, ''))
    .filter((line) => line.trim() !== '')
    .join('\n')}\n`;
/** Every kernel with an activation includes the functions of all of them; an activation more must not change each. */
const ACTIVATION_FUNCTIONS = bare(shaderSources.activation_functions!);

/** The comments of a shader and of what it includes. */
function commentsOf(shader: string): string {
  const text = shaderSources[shader]!;
  const included = [...text.matchAll(/^\s*\/\/#include (\w+)/gm)].map((found) => commentsOf(found[1]!));
  return [...(text.match(/\/\/ .*$/gm) ?? []), ...included].join('\n');
}

describe('the generated WGSL', () => {
  const kept = snapshots();

  it.each([...kept])('of %s is as before', async (name, source) => {
    await expect(bare(source.code).replace(ACTIVATION_FUNCTIONS, '')).toMatchFileSnapshot(
      join(FOLDER, `${name}.wgsl`),
    );
  });

  it.each([...kept])(
    'of %s gets no binding, size or constant that its shader does not explain',
    (_, source) => {
      const generated = [
        ...source.code.matchAll(/^@group.* (\w+): array/gm),
        ...source.code.matchAll(/^const (\w+): (?:u32|f32|bool) = /gm),
        ...(/^struct Uniforms \{(.*)\}$/m.exec(source.code)?.[1] ?? '').matchAll(/(\w+):/g),
      ].map((found) => found[1]!);
      const words = new Set(commentsOf(source.name.split('.')[0]!).match(/\w+/g));
      // Those that kernelSource.ts adds to every kernel.
      for (const name of ['WORKGROUP', 'IN_TURN', 'SIZE']) words.add(name);
      // Numbered ones are explained by the first two.
      expect(generated.filter((name) => !words.has(name) && !/\d$/.test(name))).toEqual([]);
    },
  );

  it('is kept for these launches and no others', () => {
    expect(readdirSync(FOLDER).sort()).toEqual([...kept.keys()].map((name) => `${name}.wgsl`).sort());
  });

  it('is kept for every shader that is no part of another', () => {
    const included = new Set(
      Object.values(shaderSources).flatMap((text) =>
        [...text.matchAll(/^\s*\/\/#include (\w+)/gm)].map((found) => found[1]!),
      ),
    );
    const covered = new Set([...kept.values()].map(({ name }) => name.split('.')[0]));
    // Preprocessing has a binding layout of its own and is compared with Pillow byte by byte.
    const without = Object.keys(shaderSources).filter((name) => !included.has(name) && !covered.has(name));
    expect(without).toEqual(['resample']);
  });
});
