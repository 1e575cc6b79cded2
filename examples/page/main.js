/** The engine in a page: two layers learn XOR on the visitor's GPU. */
import {
  activation,
  adamW,
  add,
  constant,
  grad,
  linear,
  multiply,
  openGpu,
  Plan,
  scalar,
  sum,
  variable,
} from 'promptkd/engine';

const result = /** @type {HTMLElement} */ (document.querySelector('#result'));

async function learn() {
  const gpu = await openGpu(); // the browser's own WebGPU
  const x = constant(Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1), [4, 2], 'x');
  const target = constant(Float32Array.of(0, 1, 1, 0), [4, 1], 'target');
  const random = (/** @type {number} */ n) => Float32Array.from({ length: n }, () => 2 * Math.random() - 1);
  const parameters = [
    variable(random(32), [16, 2], 'hidden weight'),
    variable(random(16), [16], 'hidden bias'),
    variable(random(16), [1, 16], 'weight'),
    variable(random(1), [1], 'bias'),
  ];

  const [hiddenWeight, hiddenBias, weight, bias] = parameters;
  const y = linear(activation(linear(x, hiddenWeight, hiddenBias), 'gelu'), weight, bias);
  const error = add(y, multiply(target, scalar(-1)));
  const loss = multiply(sum(multiply(error, error)), scalar(1 / 4));
  const rate = constant(Float32Array.of(0.02), [1], 'learning rate');
  const { updates } = adamW(parameters, grad(loss, parameters), rate, { weightDecay: 0 });

  const plan = await Plan.compile(gpu, { outputs: [loss, y], updates });
  for (let step = 0; step < 300; step++) plan.run();
  const [last] = await plan.read(loss);
  const answers = await plan.read(y);
  result.textContent = `0 0, 0 1, 1 0, 1 1: ${[...answers].map((v) => v.toFixed(2)).join(', ')} (loss ${last.toExponential(1)})`;
  gpu.destroy();
}

learn().catch((error) => {
  result.textContent = `${error.message}. This page needs a browser with WebGPU.`;
});
