/** Trials of kernels without alternatives, from the examples of all operations: each node by itself. */

import type { Capabilities } from '../capabilities.js';
import { everyExample, gradientsOf } from '../examples.js';
import type { Dispatch } from '../graph/dispatch.js';
import { type GraphNode, resultsOf } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import type { Expected, Trial } from '../graph/tunable.js';
import { kernelId, tensorOf } from '../kernels/kernelSource.js';
import { largestOf, ULP } from '../kernels/tolerance.js';
import { Schedule } from './schedule.js';

/** Tolerance for functions accurate to a few ulps and for sums over a row, relative to the largest result. */
const ROUNDING = 2 ** -16;

/** A trial for each kernel that the examples run on an adapter, by the kernel's id. */
export function operationTrials(capabilities: Capabilities): ReadonlyMap<string, Trial> {
  const trials = new Map<string, Trial>();
  for (const example of everyExample()) {
    const { output, updates } = example;
    const forward = output ? [output] : [];
    // Some kernels store more if a gradient reads it.
    for (const outputs of [forward, [...forward, ...gradientsOf(example)]]) {
      const { steps } = new Schedule({ outputs, updates }, capabilities);
      for (const { node, dispatches } of steps) {
        const trial = trialOf(node, dispatches);
        for (const dispatch of dispatches) {
          const id = kernelId(dispatch, capabilities);
          if (!trials.has(id)) trials.set(id, trial);
        }
      }
    }
  }
  return trials;
}

/** The trial of one node: its inputs are random values, and all its results are compared. */
export function trialOf(node: GraphNode, dispatches: readonly Dispatch[]): Trial {
  return {
    dispatches,
    inputs: node.inputs,
    expected: (inputOf) => {
      const results = node.op.reference(node, node.inputs.map(inputOf));
      const written = new Set(dispatches.flatMap(({ writes }) => Object.values(writes).map(tensorOf)));
      const expected = new Map<Tensor, Expected>();
      const specs = node.op.mutates ? [] : node.op.outputs(node.inputs, node.attributes);
      resultsOf(node).forEach((tensor, i) => {
        const values = results[i];
        // Scratch is internal to the node's launches; only their results are compared.
        if (!values || !written.has(tensor) || specs[i]?.scratch) return;
        const tolerance = largestOf(values) * (ULP[tensor.dtype] + ROUNDING);
        expected.set(tensor, { values, tolerance });
      });
      return expected;
    },
  };
}
