/** What CONTRIBUTING.md asks of anyone who adds an operation or an activation, done in a copy of the project: nothing more is needed. */
import { afterAll, expect, it } from 'vitest';
import { ProjectCopy } from '../helpers/projectCopy.js';

const copy = new ProjectCopy();
afterAll(() => copy.remove());

it('an operation is a shader, a file, a test and a line; all checks find it then', () => {
  copy.write(
    'shaders/elementwise/square.wgsl',
    `// y = x x

fn square(i: u32) {
  let value = load_x(i);
  store_y(i, value * value);
}
`,
  );
  copy.write(
    'engine/ops/square.ts',
    `/** y = x², element by element. */
import { call, type Op } from '../graph/op.js';
import { scalar, type Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { multiply } from './multiply.js';

const op: Op<null> = {
  name: 'square',
  outputs: ([x]) => [{ shape: x!.shape }],
  kernels: ({ inputs: [x], outputs: [y] }) => [
    { shader: 'square', entry: 'square', constants: {}, reads: { x: x! }, writes: { y: y! }, elements: y!.size },
  ],
  gradient: ({ inputs: [x] }, [dy]) => [multiply(multiply(dy!, x!), scalar(2))],
  reference: (_, [x]) => [x!.map((value) => value * value)],
};

/** x², any shape. */
export const square = (x: Tensor): Tensor => call(op, [x], null);

export const squareExamples = examples(() => [example('square', [[3, 7]], (x) => square(x))]);
`,
  );
  copy.write(
    'test/engine/ops/square.test.ts',
    `import { it } from 'vitest';
import { square } from '../../../engine/ops/square.js';
import { checkGradient, TestRandom } from '../../helpers/check.js';

it('square', async () => {
  const x = new TestRandom(1).variable([5, 7]);
  await checkGradient(square(x), [x]);
});
`,
  );
  copy.append('engine/ops/index.ts', "export * from './square.js';\n");

  // Not part of adding it: that the public index, the shader check and the trials of kernels know it.
  copy.write(
    'test/found.test.ts',
    `import { expect, it } from 'vitest';
import { refusalOf } from '../checks/shaders/shaderVariants.js';
import { operationTrials } from '../engine/gpu/operationTrials.js';
import { everyExample, openGpu, Schedule, square } from '../engine/index.js';

it('square is found', async () => {
  const gpu = await openGpu({ backend: 'null' });
  const [mine] = everyExample().filter(({ name }) => name === 'square');
  expect(mine!.output!.label).toBe(square(mine!.parameters[0]!).label);
  const [source] = new Schedule({ outputs: [mine!.output!] }, gpu.capabilities).sources();
  expect(await refusalOf(gpu, source!)).toBeUndefined();
  const tried = [...operationTrials(gpu.capabilities).values()].flatMap(({ dispatches }) => dispatches);
  expect(tried.map(({ shader }) => shader)).toContain('square');
  gpu.destroy();
});
`,
  );
  copy.check('test/engine/ops/square.test.ts', 'test/found.test.ts');
});

it('an activation is an entry in TypeScript and a pair of functions in WGSL', () => {
  copy.insert(
    'engine/kernels/activations.ts',
    '} satisfies Readonly<Record<string, ActivationFunction>>;',
    `  tanh: {
    wgsl: 'tanh_activation',
    value: (x) => Math.tanh(x),
    derivative: (x) => 1 - Math.tanh(x) ** 2,
  },
`,
  );
  const used = `import { it } from 'vitest';
import { activation } from '../../../engine/ops/activation.js';
import { linear } from '../../../engine/ops/linear.js';
import { checkGradient, TestRandom } from '../../helpers/check.js';

it('tanh', async () => {
  const random = new TestRandom(2);
  const [x, w] = [random.variable([5, 8]), random.variable([12, 8])];
  await checkGradient(activation(linear(x, w, undefined, { activation: 'tanh' }), 'tanh'), [x, w]);
});
`;
  copy.write('test/engine/ops/tanh.test.ts', used);
  // Forgotten in WGSL, it is an error, and no other function in its place.
  expect(() => copy.check('test/engine/ops/tanh.test.ts')).toThrow(/tanh_activation/);
  copy.append(
    'shaders/elementwise/activation_functions.wgsl',
    `
fn tanh_activation(x: f32) -> f32 {
  return tanh(x);
}

fn tanh_activation_derivative(x: f32) -> f32 {
  let y = tanh(x);
  return 1.0 - y * y;
}
`,
  );
  copy.check('test/engine/ops/tanh.test.ts');
});
