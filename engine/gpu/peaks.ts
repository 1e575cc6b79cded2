/** The peak arithmetic and memory throughput of an adapter, to compare kernels with. */
import { call, type Op } from '../graph/op.js';
import { constant, type Tensor } from '../graph/tensor.js';

interface AluAttributes {
  readonly invocations: number;
  readonly steps: number;
  /** Chains of four numbers instead of one. */
  readonly wide: boolean;
}

const CHAINS = 8;
const numbers = ({ wide }: AluAttributes) => CHAINS * (wide ? 4 : 1);

const alu: Op<AluAttributes, [], [result: Tensor]> = {
  name: 'multiplyAdd',
  outputs: (_, { invocations }) => [{ shape: [invocations] }],
  kernels: ({ outputs: [result], attributes: { steps, wide } }) => [
    {
      shader: 'measure',
      entry: 'multiply_add',
      constants: { ALU: true, WIDE: wide, STEPS: steps },
      reads: {},
      writes: { result },
      elements: result.size,
    },
  ],
  flops: ({ attributes }) => 2 * attributes.invocations * attributes.steps * numbers(attributes),
  reference: ({ attributes }) => {
    const { invocations, steps, wide } = attributes;
    return [
      Float64Array.from({ length: invocations }, (_, id) => {
        const factor = 1 - (id & 7) * 2 ** -20;
        let sum = 0;
        for (let chain = 0; chain < CHAINS; chain++) {
          let x = id + chain;
          for (let step = 0; step < steps; step++) x = x * factor + 0.5;
          sum += x;
        }
        return wide ? 4 * sum : sum;
      }),
    ];
  },
};

const copy: Op<undefined, [source: Tensor], [result: Tensor]> = {
  name: 'copy',
  outputs: ([source]) => [{ shape: source.shape }],
  kernels: ({ inputs: [source], outputs: [result] }) => [
    {
      shader: 'measure',
      entry: 'copy',
      constants: { COPY: true, WIDE: true },
      reads: { source: { tensor: source, as: 'vec4' } },
      writes: { result: { tensor: result, as: 'vec4' } },
      elements: source.size / 4,
    },
  ],
  reference: (_, [source]) => [source],
};

/** Chains of multiplications and additions in registers: `[invocations]`. */
export const multiplyAdd = (attributes: AluAttributes): Tensor => call(alu, [], attributes);

/** The same values at another place: as many bytes read as written. The size is a multiple of 4. */
export const copied = (source: Tensor): Tensor => call(copy, [source], undefined);

/** A buffer that is larger than the caches of any GPU. */
const COPY_BYTES = 128 * 2 ** 20;

/** The two peaks as graphs; sizes that take about 10 ms on a large GPU and some 100 ms on a processor. */
export function peakGraphs(software: boolean): { readonly alu: readonly Tensor[]; readonly copy: Tensor } {
  const size = software ? { invocations: 2 ** 13, steps: 2 ** 12 } : { invocations: 2 ** 20, steps: 2 ** 13 };
  const bytes = software ? COPY_BYTES / 4 : COPY_BYTES;
  return {
    alu: [false, true].map((wide) => multiplyAdd({ ...size, wide })),
    copy: copied(constant(undefined, [bytes / 4], 'bytes to copy')),
  };
}
