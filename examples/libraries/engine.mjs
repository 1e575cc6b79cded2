/** Fits a line with momentum: a graph, its gradients, a plan that is compiled once and run 200 times. */
import {
  add,
  constant,
  grad,
  input,
  linear,
  multiply,
  openGpu,
  Plan,
  readLeaf,
  scalar,
  sgd,
  sum,
  variable,
  write,
} from 'promptkd/engine';
import { relaunchIfNeeded } from 'promptkd/node';

await relaunchIfNeeded(process.env.PROMPTKD_ADAPTER); // a software adapter, where there is no GPU
const gpu = await openGpu();

// y = 3 x + 2. Leaves have buffers of their own: inputs are written in each step, variables are trained.
const x = input([32, 1], 'x');
const target = input([32, 1], 'target');
const weight = variable(Float32Array.of(0), [1, 1], 'weight');
const bias = variable(Float32Array.of(0), [1], 'bias');

// Records nodes; nothing runs.
const error = add(linear(x, weight, bias), multiply(target, scalar(-1)));
const loss = multiply(sum(multiply(error, error)), scalar(1 / 32));
const parameters = [weight, bias];
const rate = constant(Float32Array.of(0.05), [1], 'learning rate');
const { updates } = sgd(parameters, grad(loss, parameters), rate, { momentum: 0.9, weightDecay: 0 });

// Buffers, pipelines and bind groups, once. `run` only queues dispatches.
const plan = await Plan.compile(gpu, { outputs: [loss], updates });
for (let step = 0; step < 200; step++) {
  const values = Float32Array.from({ length: 32 }, () => 2 * Math.random() - 1);
  write(gpu, x, values);
  write(
    gpu,
    target,
    values.map((value) => 3 * value + 2),
  );
  plan.run();
}

const [slope] = await readLeaf(gpu, weight);
const [offset] = await readLeaf(gpu, bias);
console.log(`y = ${slope.toFixed(3)} x + ${offset.toFixed(3)}`);
gpu.destroy();
