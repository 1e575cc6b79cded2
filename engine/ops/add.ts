/** y = a + b, where b may lack leading axes of a (it is then repeated along them). */
import { call, type GraphNode, type Op } from '../graph/op.js';
import { sameShape, type Tensor } from '../graph/tensor.js';
import { elementwise } from './elementwise.js';
import { example, examples, frozen } from './example.js';
import { sumLeading } from './reduce.js';
import { isSuffix, misfit } from './shape.js';

const op: Op<null, [a: Tensor, b: Tensor], [y: Tensor]> = {
  name: 'add',
  outputs: ([a, b]) => {
    if (!isSuffix(b.shape, a.shape)) misfit('add', [a, b], "the second must have the first's last axes");
    return [{ shape: a.shape }];
  },
  kernels: ({ inputs: [a, b], outputs: [y] }) => [elementwise('add', a, b, y)],
  gradient: ({ inputs: [, b] }, [dy], [wantA, wantB]) => [
    wantA ? dy : undefined,
    wantB ? sumLeading(dy, b.shape) : undefined,
  ],
  reference: (_, [a, b]) => [a.map((v, i) => v + b[i % b.length]!)],
};

/** The other operand of `node` if it adds `term` to a tensor of the same shape, for fusing the sum into another kernel. */
export function otherTerm(node: GraphNode, term: Tensor): Tensor | undefined {
  if (node.op !== op) return undefined;
  const [a, b] = node.inputs as [Tensor, Tensor];
  return a !== b && sameShape(a.shape, b.shape) ? (term === a ? b : a) : undefined;
}

/** `a + b`; `b`'s shape must equal the last axes of `a`'s. */
export const add = (a: Tensor, b: Tensor): Tensor => call(op, [a, b], null);

/** Calls for the checks of kernels and shaders. */
export const addExamples = examples(() => [
  example('add', [[3, 5, 7], [7]], (a, b) => add(a, b)),
  example('add vectors', [[3, 8]], (x) => add(x, frozen(3, 8))),
  example('add one number', [[1]], (x) => add(x, frozen(1))),
]);
