/** The complete WGSL of a launch, and what tells two kernels apart without it. */
import { shaderSources } from '../../shaders/generated.js';
import { UserError } from '../errors.js';
import {
  type Constant,
  type Dispatch,
  grid,
  type Operand,
  type Uniform,
  WORKGROUP,
} from '../graph/dispatch.js';
import type { Tensor } from '../graph/tensor.js';
import { withChecks } from './bounds.js';
import { expand, isName, literal } from './wgsl.js';

/** What identifies a kernel: its complete WGSL, its entry point, and which buffers are bound to it. */
export interface KernelSource {
  readonly name: string;
  readonly code: string;
  readonly entry: string;
  readonly reads: number;
  readonly writes: number;
  /** Whether a uniform buffer follows them. */
  readonly uniform: boolean;
  /** Where accesses are checked: elements of each binding's array, for the buffer that follows (bounds.ts). */
  readonly checkedLengths?: readonly number[];
}

/** The tensor that is bound. */
export const tensorOf = (operand: Operand): Tensor => ('tensor' in operand ? operand.tensor : operand);

/** Values of an element of a binding. */
const widthOf = (operand: Operand): 1 | 4 | 8 => ('tensor' in operand ? (operand.as === 'words' ? 8 : 4) : 1);

/**
 * Float32 to two float16 in a word, rounded to the nearest, ties to even. By integers, because WGSL leaves open what
 * `pack2x16float` makes of values beyond float16, SwiftShader spoils the other half then, and lavapipe calls a function for
 * every value. Values beyond float16 become infinite here, and NaN stays NaN. Below the smallest normal number, adding 0.5
 * leaves a multiple of 2^-24 in the low bits.
 */
const PACK_HALF = `fn pack_half(v: vec2f) -> u32 {
  let bits = bitcast<vec2u>(v);
  let size = bits & vec2u(0x7fffffffu);
  let normal = ((size + 0xfffu + ((size >> vec2u(13u)) & vec2u(1u))) >> vec2u(13u)) - 0x1c000u;
  let small = bitcast<vec2u>(bitcast<vec2f>(size) + 0.5) - 0x3f000000u;
  let largest = select(vec2u(0x7c00u), vec2u(0x7e00u), size > vec2u(0x7f800000u));
  let half = select(min(normal, largest), small, size < vec2u(0x38800000u));
  let signed = half | ((bits >> vec2u(16u)) & vec2u(0x8000u));
  return signed.x | (signed.y << 16u);
}`;

/** The uniform buffer in WGSL. */
const UNIFORMS = 'uniforms';

/** The WGSL of a binding: its array, and how its values are read and written as float32. */
function declare(name: string, operand: Operand, binding: number, access: 'read' | 'read_write'): string {
  if (widthOf(operand) === 8)
    return `@group(0) @binding(${binding}) var<storage, ${access}> ${name}: array<vec4u>;`;
  const vector = widthOf(operand) === 4;
  const { dtype } = tensorOf(operand);
  const half = dtype === 'f16';
  const element = half ? (vector ? 'vec2u' : 'u32') : vector ? 'vec4f' : dtype;
  const value = vector ? 'vec4f' : half ? 'f32' : dtype;
  const load = !half
    ? `${name}[i]`
    : vector
      ? `vec4f(unpack2x16float(${name}[i].x), unpack2x16float(${name}[i].y))`
      : `unpack2x16float(${name}[i / 2u])[i % 2u]`;
  const lines = [
    `@group(0) @binding(${binding}) var<storage, ${access}> ${name}: array<${element}>;`,
    `fn load_${name}(i: u32) -> ${value} { return ${load}; }`,
  ];
  if (access === 'read_write') {
    if (half && !vector) throw new Error(`${name} is float16 and must be written as vec4`);
    const stored = half ? 'vec2u(pack_half(v.xy), pack_half(v.zw))' : 'v';
    lines.push(`fn store_${name}(i: u32, v: ${value}) { ${name}[i] = ${stored}; }`);
  }
  return lines.join('\n');
}

const ownShaders = new Map<string, string>();

/**
 * Adds a shader for the kernels of an operation outside the engine; `Dispatch.shader` names it. Its text is like a file of
 * `shaders/`: the bindings and constants of the launch are declared before it, and `//#include` takes the engine's files.
 *
 * @param name such as `my_shader`; none that is taken
 * @param source WGSL
 * @throws UserError when there is another shader of this name
 */
export function defineShader(name: string, source: string): void {
  const known = textOf(name);
  if (known !== undefined && known !== source)
    throw new UserError(`there is another shader named ${name}`, 'choose another name, such as my_shader');
  if (known === undefined) ownShaders.set(name, source);
}

const textOf = (shader: string): string | undefined => shaderSources[shader] ?? ownShaders.get(shader);

/** @throws Error when there is no such shader */
function shaderText(shader: string): string {
  const text = textOf(shader);
  if (text === undefined) throw new Error(`no shader named ${shader}; run the shader embedding step`);
  return text;
}

/** Elements in a row that an invocation takes at the most, and workgroups that there should be before it takes two. */
const MOST_IN_TURN = 32;
const ENOUGH_WORKGROUPS = 64;

/**
 * How many elements an invocation takes in turn. One on a GPU. A CPU adapter spends more on a workgroup than on a few elements:
 * GELU of 1576 x 3072 takes lavapipe 22 ms with one element (of four values) an invocation and 13 ms with 16 (Intel).
 */
function inTurn(elements: number, workgroup: number, { software }: { software: boolean }): number {
  if (!software) return 1;
  return Math.max(1, Math.min(MOST_IN_TURN, Math.floor(elements / (workgroup * ENOUGH_WORKGROUPS))));
}

/**
 * The entry point around a function of an element's index. Neighbouring invocations take neighbouring elements. No compiler
 * knows that there is one layer of workgroups, so none unrolls the loop: lavapipe's does up to 32 turns, loads all of them first,
 * and takes two to three times as long (QuickGELU of 1576 x 3072 10 ms instead of 3.5, AMD).
 */
const entryPoint = (name: string, once: boolean) => `
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.x + group.y * groups.x) * WORKGROUP * IN_TURN + lane;
  ${once ? 'let turn = 0u;' : 'for (var turn = 0u; turn < IN_TURN * groups.z; turn++)'} {
    let i = first + turn * WORKGROUP;
    if (i < SIZE) { ${name}(i); }
  }
}
`;

const workgroupOf = ({ constants }: Dispatch) => (constants.WORKGROUP as number | undefined) ?? WORKGROUP;

/** The grid of a launch. */
export function workgroupsOf(
  dispatch: Dispatch,
  adapter: { software: boolean },
): readonly [number, number, number] {
  if ('workgroups' in dispatch) return dispatch.workgroups;
  const { elements } = dispatch;
  const workgroup = workgroupOf(dispatch);
  return grid(Math.ceil(elements / (workgroup * inTurn(elements, workgroup, adapter))));
}

/** Elements of a binding's array. */
function lengthOf(operand: Operand): number {
  const { size, dtype } = tensorOf(operand);
  const width = widthOf(operand);
  return width > 1 ? size / width : dtype === 'f16' ? Math.ceil(size / 2) : size;
}

/** The uniforms of a launch, where they are not constants. */
export function boundUniforms(
  dispatch: Dispatch,
  { software }: { software: boolean },
): Readonly<Record<string, Uniform>> | undefined {
  if (software && !dispatch.uniformOnCpu) return undefined;
  const uniforms = { ...dispatch.uniforms, ...('elements' in dispatch && { SIZE: dispatch.elements }) };
  return Object.keys(uniforms).length > 0 ? uniforms : undefined;
}

const typeOf = (value: Uniform) => (typeof value === 'number' ? 'u32' : 'f32');

/** `text` with every name of a uniform as a member of the buffer. */
const withUniforms = (text: string, names: readonly string[]): string =>
  text.replace(new RegExp(`(?<![.\\w])(?:${names.join('|')})(?!\\w)`, 'g'), `${UNIFORMS}.$&`);

/**
 * The complete WGSL of a launch: generated prelude, the shader file, and the entry point where it has none.
 *
 * @param checked with every access compared with its bounds, which takes a binding more (bounds.ts)
 */
export function kernelSource(
  dispatch: Dispatch,
  adapter: { software: boolean },
  checked = false,
): KernelSource {
  const { shader, constants, reads, writes } = dispatch;
  const source = shaderText(shader);
  const whole = 'workgroups' in dispatch;
  const { entry = whole ? 'main' : 'element' } = dispatch;
  const uniforms = boundUniforms(dispatch, adapter);
  const all: Record<string, Constant> = { WORKGROUP, ...constants, ...(!uniforms && dispatch.uniforms) };
  if (!whole) {
    all.IN_TURN = inTurn(dispatch.elements, workgroupOf(dispatch), adapter);
    if (!uniforms) all.SIZE = dispatch.elements;
  }
  const prelude = Object.entries(all).flatMap(([name, value]) =>
    isName(value) ? [] : [`const ${name}: ${literal(value)};`],
  );
  let binding = 0;
  for (const [access, operands] of [
    ['read', reads],
    ['read_write', writes],
  ] as const)
    for (const [name, operand] of Object.entries(operands))
      prelude.push(declare(name, operand, binding++, access));
  if (uniforms) {
    const members = Object.entries(uniforms).map(([name, value]) => `${name}: ${typeOf(value)}`);
    prelude.push(`struct Uniforms { ${members.join(', ')} }`);
    prelude.push(`@group(0) @binding(${binding++}) var<uniform> ${UNIFORMS}: Uniforms;`);
  }
  if (Object.values(writes).some((operand) => tensorOf(operand).dtype === 'f16')) prelude.push(PACK_HALF);
  prelude.push('');
  // Directives must come before every declaration, so those of the shader file move up.
  const directives: string[] = [];
  const body = expand(source, all, shaderSources).replace(/^(enable|requires|diagnostic)\b.*;$/gm, (line) => {
    directives.push(line);
    return '';
  });
  const text = body + (whole ? '' : entryPoint(entry, all.IN_TURN === 1));
  const code = prelude.join('\n') + (uniforms ? withUniforms(text, Object.keys(uniforms)) : text);
  const bound = { ...reads, ...writes };
  return {
    name: dispatch.entry === undefined ? shader : `${shader}.${entry}`,
    code: [...new Set(directives), checked ? withChecks(code, Object.keys(bound), binding) : code].join('\n'),
    entry: whole ? entry : 'main',
    reads: Object.keys(reads).length,
    writes: Object.keys(writes).length,
    uniform: uniforms !== undefined,
    ...(checked && { checkedLengths: Object.values(bound).map(lengthOf) }),
  };
}

/** Two launches with the same key run the same pipeline. */
export const kernelKey = ({ entry, code }: KernelSource): string => `${entry}\n${code}`;

/** A key of the same kind that needs no text: the shader file, and everything that is written into it. */
export function kernelId(dispatch: Dispatch, adapter: { software: boolean }): string {
  const { shader, entry, constants, reads, writes } = dispatch;
  const uniforms = boundUniforms(dispatch, adapter);
  const baked = uniforms
    ? Object.entries(uniforms).map(([name, value]) => [name, typeOf(value)])
    : dispatch.uniforms;
  const elements = 'elements' in dispatch ? dispatch.elements : undefined;
  const turns = elements && inTurn(elements, workgroupOf(dispatch), adapter);
  const bindings = [reads, writes].map((operands) =>
    Object.entries(operands).map(([name, o]) => [name, tensorOf(o).dtype, widthOf(o)]),
  );
  return JSON.stringify([shader, entry, constants, baked, turns, !uniforms && elements, bindings]);
}

/** The tensors of a launch in the order of its bindings. */
export const boundTensors = ({ reads, writes }: Dispatch): Tensor[] =>
  [...Object.values(reads), ...Object.values(writes)].map(tensorOf);

/**
 * A kernel that is no operation of a graph: a whole shader file with its own bindings, behind `constants` as WGSL expressions.
 *
 * @param shader the file's name without folder and extension
 * @throws Error when there is no such file
 */
export function shaderKernel(
  shader: string,
  entry: string,
  constants: Readonly<Record<string, string>>,
  { reads, writes }: { readonly reads: number; readonly writes: number },
): KernelSource {
  const source = shaderText(shader);
  const prelude = Object.entries(constants).map(([name, value]) => `const ${name} = ${value};`);
  return {
    name: `${shader}.${entry}`,
    code: [...prelude, source].join('\n'),
    entry,
    reads,
    writes,
    uniform: false,
  };
}
