/** An operation of your own: WGSL, shape rule, gradient and a reference to test it against; then how long it takes. */
import {
  call,
  defineShader,
  evaluate,
  float,
  grad,
  input,
  openGpu,
  Plan,
  profile,
  sum,
  write,
} from 'promptkd/engine';
import { relaunchIfNeeded } from 'promptkd/node';

/** @import { Op, Tensor } from 'promptkd/engine' */

// The engine declares `x`, `y`, `SLOPE` and the entry point, which calls `element` once for each value.
defineShader('my_leaky_relu', 'fn element(i: u32) { y[i] = select(SLOPE * x[i], x[i], x[i] > 0.0); }');
defineShader(
  'my_leaky_relu_backward',
  'fn element(i: u32) { dx[i] = select(SLOPE * dy[i], dy[i], x[i] > 0.0); }',
);

/** @type {Op<{ slope: number }, [x: Tensor, dy: Tensor], [dx: Tensor]>} */
const backward = {
  name: 'leakyReluBackward',
  outputs: ([x]) => [{ shape: x.shape }],
  kernels: ({ inputs: [x, dy], attributes: { slope }, outputs: [dx] }) => [
    {
      shader: 'my_leaky_relu_backward',
      constants: {},
      uniforms: { SLOPE: float(slope) },
      reads: { x, dy },
      writes: { dx },
      elements: x.size,
    },
  ],
  reference: ({ attributes: { slope } }, [x, dy]) => [dy.map((d, i) => (x[i] > 0 ? d : slope * d))],
};

/** @type {Op<{ slope: number }, [x: Tensor], [y: Tensor]>} */
const forward = {
  name: 'leakyRelu',
  outputs: ([x]) => [{ shape: x.shape }],
  kernels: ({ inputs: [x], attributes: { slope }, outputs: [y] }) => [
    {
      shader: 'my_leaky_relu',
      constants: {},
      uniforms: { SLOPE: float(slope) },
      reads: { x },
      writes: { y },
      elements: x.size,
    },
  ],
  gradient: ({ inputs: [x], attributes }, [dy]) => [call(backward, [x, dy], attributes)],
  // In float64, for tests.
  reference: ({ attributes: { slope } }, [x]) => [x.map((value) => (value > 0 ? value : slope * value))],
};

/**
 * `x` where it is positive, `slope * x` elsewhere; any shape.
 *
 * @type {(x: Tensor, slope: number) => Tensor}
 */
const leakyRelu = (x, slope) => call(forward, [x], { slope });

await relaunchIfNeeded(process.env.PROMPTKD_ADAPTER); // a software adapter, where there is no GPU
const gpu = await openGpu();

const x = input([1000, 1009], 'x');
const y = leakyRelu(x, 0.1);
const [dx] = grad(sum(y), [x]);
const plan = await Plan.compile(gpu, { outputs: [y, dx] });
const values = Float32Array.from({ length: x.size }, () => 2 * Math.random() - 1);
write(gpu, x, values);
plan.run();

for (const [name, tensor] of Object.entries({ y, dx })) {
  const found = await plan.read(tensor);
  const expected = evaluate([tensor], new Map([[x, values]])).get(tensor) ?? [];
  const error = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
  console.log(`${name}: at most ${error.toExponential(1)} from the reference`);
}
for (const { name, milliseconds, bytes } of await profile(gpu, plan))
  console.log(`${name}: ${milliseconds.toFixed(3)} ms, ${(bytes / milliseconds / 1e6).toFixed(1)} GB/s`);
gpu.destroy();
