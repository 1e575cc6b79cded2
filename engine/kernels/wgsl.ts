/**
 * The text that surrounds a shader file: directives expanded, constants and bindings declared.
 *
 * - `//#include NAME` is replaced by shaders/NAME.wgsl; `//#include NAME key=value ...` puts a value, a word, for each `$key` in it
 * - `//#if NAME`, `//#else`, `//#endif` keep lines by a boolean constant (an undeclared one is false). Needed only where
 *   a binding exists in some variants; everything else is an `if` on a `const`, which compilers remove.
 * - `$NAME` is replaced by what the constant of that name names, a function for instance
 * - `//#unroll i COUNT` ... `//#end` repeats its lines with `$i` = 0, 1, ... COUNT - 1 (a number or a constant's
 *   name): registers that every compiler keeps in registers, where a loop over an array might not.
 */
import type { Constant } from '../graph/dispatch.js';

type Constants = Readonly<Record<string, Constant>>;
type Sources = Readonly<Record<string, string>>;

/** The declaration of a constant's type and value. Whole numbers are `u32`. */
export function literal(value: Exclude<Constant, { readonly name: string }>): string {
  if (typeof value === 'boolean') return `bool = ${value}`;
  if (typeof value === 'number') return `u32 = ${value}u`;
  // A float32 literal that reads back as the same float32; WGSL has no way to write infinities.
  const text = String(Math.fround(value.f32));
  return `f32 = ${/[.e]/.test(text) ? text : `${text}.0`}`;
}

const directive = (line: string) => /^\s*\/\/#(\w+)\s*(\w*)\s*(\w*)/.exec(line);

function include(source: string, sources: Sources): string {
  return source.replace(/^\s*\/\/#include\s+(\w+)(.*)$/gm, (_, name: string, values: string) => {
    let text = sources[name];
    if (text === undefined) throw new Error(`no shader named ${name} to include`);
    for (const [, key, value] of values.matchAll(/(\w+)=(\w+)/g)) text = text.replaceAll(`$${key}`, value!);
    return include(text, sources);
  });
}

function select(source: string, constants: Constants): string {
  const stack: boolean[] = [];
  return source
    .split('\n')
    .filter((line) => {
      const found = directive(line);
      if (found?.[1] === 'if') stack.push(constants[found[2]!] === true);
      else if (found?.[1] === 'else') stack.push(!stack.pop());
      else if (found?.[1] === 'endif') stack.pop();
      else return stack.every(Boolean);
      return false;
    })
    .join('\n');
}

function unroll(lines: readonly string[], constants: Constants): string[] {
  const result: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const found = directive(lines[at]!);
    if (found?.[1] !== 'unroll') {
      result.push(lines[at]!);
      continue;
    }
    let depth = 1;
    let end = at;
    while (depth > 0) {
      const inner = directive(lines[++end] ?? '');
      if (lines[end] === undefined) throw new Error(`//#unroll ${found[2]} has no //#end`);
      if (inner?.[1] === 'unroll') depth++;
      if (inner?.[1] === 'end') depth--;
    }
    const count = Number(constants[found[3]!] ?? found[3]);
    if (!Number.isInteger(count)) throw new Error(`//#unroll ${found[2]}: ${found[3]} is not a constant`);
    const body = lines.slice(at + 1, end);
    for (let i = 0; i < count; i++)
      result.push(
        ...unroll(
          body.map((line) => line.replaceAll(`$${found[2]}`, String(i))),
          constants,
        ),
      );
    at = end;
  }
  return result;
}

/** `text` with names in place of the constants that stand for them. */
function withNames(text: string, constants: Constants): string {
  let result = text;
  for (const [key, value] of Object.entries(constants))
    if (isName(value)) result = result.replaceAll(`$${key}`, value.name);
  return result;
}

/** Whether a constant stands for a name; names get no declaration. */
export const isName = (value: Constant): value is { readonly name: string } =>
  typeof value === 'object' && 'name' in value;

/** Expands every directive of `source`. */
export function expand(source: string, constants: Constants, sources: Sources): string {
  const text = withNames(select(include(source, sources), constants), constants);
  return unroll(text.split('\n'), constants).join('\n');
}
