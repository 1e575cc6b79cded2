/**
 * Whether kernels stay inside their tensors. Dawn could clamp every index, in the innermost loops too; it is told not to
 * (engine/gpu/adapter.ts), because tests run every kernel with the checks below, which report what a clamp would hide.
 */

/** What a checked launch writes, how many of its accesses were outside, and behind it the lengths of its bindings. */
export const CHECKS = 'checks';

/** Bytes between the checks of two launches: the largest alignment of a binding that WebGPU allows. */
export const CHECKS_STRIDE = 256;

/**
 * WGSL in which every index of an array is compared with the array's length: counted in `checks.outside` where it is outside, and
 * clamped. Arrays are the bindings named in `bound`, whose lengths come with the launch, so that one pipeline serves all sizes; and
 * those that the text declares with a length.
 */
export function withChecks(code: string, bound: readonly string[], binding: number): string {
  const lengths = new Map(bound.map((name, i) => [name, `${CHECKS}.lengths[${i}]`]));
  for (const [, name, , length] of code.matchAll(/\bvar(?:<\w+>)? (\w+): array<(\w+), ([^;]+)>;/g))
    lengths.set(name!, `u32(${length})`);
  return `${compared(code, lengths)}
struct Checks { outside: atomic<u32>, lengths: array<u32> }
@group(0) @binding(${binding}) var<storage, read_write> ${CHECKS}: Checks;
fn checked_index(i: u32, length: u32) -> u32 {
  if (i >= length) { atomicAdd(&${CHECKS}.outside, 1u); }
  return min(i, length - 1u);
}
`;
}

/** `name[index]` as `name[checked_index(u32(index), length)]`, indices within indices too. */
function compared(code: string, lengths: ReadonlyMap<string, string>): string {
  const found = /(?<![.\w])(\w+)\[/g;
  let result = '';
  let at = 0;
  for (let match = found.exec(code); match; match = found.exec(code)) {
    const length = lengths.get(match[1]!);
    if (length === undefined) continue;
    const start = found.lastIndex;
    const end = closing(code, start);
    result += `${code.slice(at, start)}checked_index(u32(${compared(code.slice(start, end), lengths)}), ${length})`;
    at = end;
    found.lastIndex = end;
  }
  return result + code.slice(at);
}

/** Where the bracket closes that was opened before `start`. */
function closing(code: string, start: number): number {
  let depth = 1;
  for (let at = start; at < code.length; at++) {
    if (code[at] === '[') depth++;
    else if (code[at] === ']' && --depth === 0) return at;
  }
  throw new Error(`a bracket is not closed: ${code.slice(start - 40, start + 40)}`);
}
