import { describe, expect, it } from 'vitest';
import { PORTABLE } from '../../../engine/capabilities.js';
import { write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { Schedule } from '../../../engine/gpu/schedule.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { input, variable } from '../../../engine/graph/tensor.js';
import { tensorOf, workgroupsOf } from '../../../engine/kernels/kernelSource.js';
import { allFinite, largestMagnitude } from '../../../engine/train/magnitude.js';
import { checkForward, TestRandom, testGpu, withCapabilities } from '../../helpers/check.js';

const checkBounds = process.env.PROMPTKD_CHECK_BOUNDS === '1';

// Sizes that no vector divides, and vectors; fewer tensors than one launch takes, and more, with a last launch that is not full.
const cases = [false, true].flatMap((software) =>
  [[1], [1, 3, 67, 12289], [4, 8, 260, 4100, 4096, 16, 36, 64, 12, 40004, 20, 128, 4, 768, 3072, 44]].map(
    (sizes) => [software, sizes] as const,
  ),
);

describe('largestMagnitude', () => {
  it.each(cases)('is the largest |x| of each tensor (software: %s, sizes %s)', async (software, sizes) => {
    const gpu = withCapabilities(await testGpu(), { software });
    const leaves = sizes.map((size) => input([size], 'x'));
    const { magnitudes, update } = largestMagnitude(leaves);
    const plan = await Plan.compile(gpu, { updates: [update] }, { poison: true, checkBounds });
    const names = plan.launches.map(({ name }) => name);
    expect(names.filter((name) => name === 'magnitude.check').length).toBe(Math.ceil(sizes.length / 7));
    const random = new TestRandom(sizes.length);
    const place = (size: number) => Math.floor(((random.next() + 1) / 2) * size);
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.4e38, -7, 0];
    for (let round = 0; round < 2 * special.length; round++) {
      const expected = leaves.map((leaf, t) => {
        // -0 and 0 alone, in one round.
        const values = round === 0 ? new Float32Array(leaf.size).fill(-0) : random.array(leaf.size);
        const value = special[(round + t) % special.length]!;
        if (round > 0 && t % 3 !== 2) values[place(leaf.size)] = value;
        write(gpu, leaf, values);
        const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
        return Number.isNaN(largest) ? Number.POSITIVE_INFINITY : largest;
      });
      plan.run();
      expect([...(await plan.read(magnitudes))], `round ${round}`).toEqual(expected);
    }
    if (checkBounds) expect(await plan.outside()).toEqual([]);
    plan.destroy();
  });

  it('is 0 of each tensor before it has looked, and by the reference Infinity where a value is NaN', () => {
    const leaves = [[1, -3, 2], [Number.NaN, 5], [Number.NEGATIVE_INFINITY], [-0, 0]].map((values) =>
      variable(Float32Array.from(values), [values.length], 'x'),
    );
    const { tensors, magnitudes, update } = largestMagnitude(leaves);
    expect(tensors).toEqual(leaves);
    expect([magnitudes.shape, [...magnitudes.leaf!.data!]]).toEqual([[4], [0, 0, 0, 0]]);
    const found = evaluate([], new Map(), [update]).get(magnitudes)!;
    expect([...found]).toEqual([3, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0]);
  });

  it.each([
    // Sizes, kind of adapter, and the workgroups of each launch that looks: 4096 values each, as many as the adapter has use for.
    [[12289, 3], false, [4]],
    [[4096], false, [1]],
    [[4100, 1], true, [2]],
    [[40_004], true, [8]],
    [[4 * 4096 * 300], false, [256]],
    [Array<number>(9).fill(8192), false, [2, 2]],
  ])('shares out %j (software: %s)', (sizes, software, groups) => {
    const leaves = sizes.map((size) => variable(undefined, [size], 'x'));
    const vector = sizes.every((size) => size % 4 === 0);
    for (const [request, results] of [
      [{ updates: [largestMagnitude(leaves).update] }, sizes.length],
      [{ outputs: [allFinite(leaves)] }, 1],
    ] as const) {
      const { dispatches } = new Schedule(request, { ...PORTABLE, software });
      const workgroups = dispatches.map((dispatch) => workgroupsOf(dispatch, { software })[0]);
      expect(workgroups).toEqual([...groups, results]);
      const looks = dispatches.slice(0, -1);
      expect(looks.map(({ constants }) => constants.VECTOR)).toEqual(groups.map(() => vector));
      const counted = looks.flatMap(({ uniforms }) =>
        Array.from({ length: 7 }, (_, i) => uniforms![`SIZE_${i}`]),
      );
      const places = Array.from(counted, (_, i) => (sizes[i] ?? 0) / (vector ? 4 : 1));
      expect(counted).toEqual(places);
      // What the launches write fits: seven results for each of their workgroups.
      const parts = tensorOf(looks[0]!.writes.parts!);
      expect(parts.size).toBeGreaterThanOrEqual(7 * groups.reduce((sum, count) => sum + count, 0));
    }
  });

  it('has the same kernels for all sizes, also on adapters that have a kernel for each size otherwise', () => {
    const watches = [5, 4099, 70_001].map((size) => largestMagnitude([variable(undefined, [size], 'x')]));
    const updates = watches.map(({ update }) => update);
    for (const software of [false, true])
      expect(new Schedule({ updates }, { ...PORTABLE, software }).describe().kernels).toBe(2);
  });

  it('follows its reference', async () => {
    const random = new TestRandom(5);
    const leaves = [7, 5, 300].map((size) => random.variable([size]));
    await checkForward([], { updates: [largestMagnitude(leaves).update] });
  });

  it('sees NaN of either sign and any payload', async () => {
    const gpu = await testGpu();
    const x = input([5], 'x');
    const [{ magnitudes, update }, finite] = [largestMagnitude([x]), allFinite([x])];
    const plan = await Plan.compile(gpu, { outputs: [finite], updates: [update] });
    for (const bits of [0x7f800001, 0xff800001, 0x7fc00000, 0xffffffff, 0x7f800000, 0xff800000]) {
      const values = new Uint32Array(5);
      values[3] = bits;
      write(gpu, x, new Float32Array(values.buffer));
      plan.run();
      const found = [(await plan.read(magnitudes))[0], (await plan.read(finite))[0]];
      expect(found, bits.toString(16)).toEqual([Number.POSITIVE_INFINITY, 0]);
    }
    plan.destroy();
  });
});

describe('allFinite', () => {
  it.each([false, true])(
    'looks at the last value of the last tensor too (software: %s)',
    async (software) => {
      const gpu = withCapabilities(await testGpu(), { software });
      // Several workgroups a launch, and three launches.
      const leaves = Array.from({ length: 15 }, () => input([12_289], 'x'));
      const finite = allFinite(leaves);
      const plan = await Plan.compile(gpu, { outputs: [finite] }, { poison: true, checkBounds });
      for (const leaf of leaves) write(gpu, leaf, new Float32Array(leaf.size));
      plan.run();
      expect((await plan.read(finite))[0]).toBe(1);
      write(gpu, leaves.at(-1)!, new Float32Array(12_289).fill(Number.NaN, -1));
      plan.run();
      expect((await plan.read(finite))[0]).toBe(0);
      plan.destroy();
    },
  );

  it('is 0 by the reference if any value of any tensor is not finite', () => {
    const leaf = (...values: number[]) => variable(Float32Array.from(values), [values.length], 'x');
    const finiteOf = (...leaves: ReturnType<typeof leaf>[]) => {
      const finite = allFinite(leaves);
      expect(finite.shape).toEqual([1]);
      return [...evaluate([finite]).get(finite)!];
    };
    expect(finiteOf(leaf(1, 2), leaf(3))).toEqual([1]);
    expect(finiteOf(leaf(1, Number.NaN), leaf(3))).toEqual([0]);
    expect(finiteOf(leaf(1, 2), leaf(Number.POSITIVE_INFINITY, 3))).toEqual([0]);
  });
});
