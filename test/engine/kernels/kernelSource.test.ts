import { expect, it } from 'vitest';
import { constant } from '../../../engine/graph/tensor.js';
import { defineShader, kernelSource } from '../../../engine/kernels/kernelSource.js';

const dispatch = (shader: string) => ({
  shader,
  constants: { FACTOR: 3 },
  reads: { x: constant(Float32Array.of(1, 2), [2]) },
  writes: { y: constant(Float32Array.of(0, 0), [2]) },
  elements: 2,
});

it('a shader from outside is a kernel like those of shaders/, includes too', () => {
  defineShader('of_this_test', '//#include nan\nfn element(i: u32) { y[i] = exp_of(x[i]); }');
  const { code, name } = kernelSource(dispatch('of_this_test'), { software: false });
  expect(name).toBe('of_this_test');
  expect(code).toContain('const FACTOR: u32 = 3u;');
  expect(code).toContain('fn exp_of(');
  expect(code).toContain('element(i)');
});

it('a shader does not replace another of its name', () => {
  defineShader('twice', 'fn element(i: u32) {}');
  defineShader('twice', 'fn element(i: u32) {}');
  expect(() => defineShader('twice', 'fn element(i: u32) { y[i] = 1.0; }')).toThrow(
    'there is another shader named twice',
  );
  expect(() => defineShader('exp', 'fn element(i: u32) {}')).toThrow('there is another shader named exp');
  expect(() => kernelSource(dispatch('nowhere'), { software: false })).toThrow('no shader named nowhere');
});
