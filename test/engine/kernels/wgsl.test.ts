import { describe, expect, it } from 'vitest';
import { float } from '../../../engine/graph/dispatch.js';
import { expand, literal } from '../../../engine/kernels/wgsl.js';

describe('shader text', () => {
  it('declares constants by their kind', () => {
    expect(literal(5)).toBe('u32 = 5u');
    expect(literal(true)).toBe('bool = true');
    expect(literal(float(2))).toBe('f32 = 2.0');
    expect(Number(literal(float(1e-5)).split('= ')[1])).toBe(Math.fround(1e-5));
  });

  it('keeps lines by a constant, nested', () => {
    const source = [
      '//#if A',
      'a',
      '//#if B',
      'b',
      '//#else',
      'not b',
      '//#endif',
      '//#else',
      'not a',
      '//#endif',
    ].join('\n');
    expect(expand(source, { A: true, B: false }, {})).toBe('a\nnot b');
    expect(expand(source, { B: true }, {})).toBe('not a');
  });

  it('unrolls by a number or a constant, nested', () => {
    const source = ['//#unroll i N', 'r$i', '//#unroll j 2', 's$i_$j', '//#end', '//#end', 'end'].join('\n');
    expect(expand(source, { N: 2 }, {}).split('\n')).toEqual([
      'r0',
      's0_0',
      's0_1',
      'r1',
      's1_0',
      's1_1',
      'end',
    ]);
  });

  it('includes other files, and names one that is missing', () => {
    expect(expand('//#include f\nx', {}, { f: 'fn f() {}' })).toBe('fn f() {}\nx');
    expect(() => expand('//#include g', {}, {})).toThrow(/g/);
  });

  it('puts values into what it includes, and into what that includes', () => {
    const sources = { f: '//#include g name=$outer', g: '//#unroll i 2\n$name$i = $other;\n//#end' };
    expect(expand('//#include g name=a other=b', {}, sources)).toBe('a0 = b;\na1 = b;');
    expect(expand('//#include f outer=c', {}, sources)).toBe('c0 = $other;\nc1 = $other;');
  });
});
