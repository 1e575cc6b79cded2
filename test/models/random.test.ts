import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Random } from '../../models/random.js';

interface Case {
  seed: number;
  random: number[];
  bits: number[];
  below: number[];
  uniform: number[];
  normal: number[];
  shuffle: number[];
  sample: [number, number, number[]][];
}

/** Made by test/fixtures/cpython.py with Python 3.11. */
const cases: Case[] = JSON.parse(
  readFileSync(new URL('../fixtures/cpython-random.json', import.meta.url), 'utf8'),
);
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('Random against CPython', () => {
  for (const expected of cases)
    it(`seed ${expected.seed}`, () => {
      const random = new Random(expected.seed);
      expect(
        range(700)
          .map(() => random.random())
          .slice(-5),
      ).toEqual(expected.random);
      expect([1, 2, 7, 31, 32, 33, 40, 53].map((k) => random.getrandbits(k))).toEqual(expected.bits);
      const limits = [1, 2, 3, 10, 1000, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1];
      expect(limits.map((n) => random.below(n))).toEqual(expected.below);
      expect([random.uniform(0.08, 1), random.uniform(-3, 5)]).toEqual(expected.uniform);
      const normals = [random.normal(), random.normal(), random.normal(), random.normal(5, 0.02)];
      normals.forEach((value, i) => {
        expect(value).toBeCloseTo(expected.normal[i]!, 12);
      });
      const items = range(30);
      random.shuffle(items);
      expect(items).toEqual(expected.shuffle);
      for (const [n, k, drawn] of expected.sample) expect(random.sample(range(n), k)).toEqual(drawn);
    });
});

describe('streams', () => {
  const first = (...parts: (number | string)[]) => Random.of(...parts).random();

  it('are the same for the same parts and differ for any other', () => {
    expect(first(1, 'order', 12)).toBe(first(1, 'order', 12));
    const others = [
      first(1, 'order', 13),
      first(1, 'crop', 12),
      first(2, 'order', 12),
      first(1, 'order1', 2),
      first(1, 'order', 1, 2),
    ];
    expect(new Set([first(1, 'order', 12), ...others]).size).toBe(6);
  });

  it('are uniform across neighbouring purposes', () => {
    const draws = range(4000).map((epoch) => first(1, 'crop', epoch));
    expect(draws.reduce((a, b) => a + b) / draws.length).toBeCloseTo(0.5, 1);
    const counts = range(10).map((i) => draws.filter((x) => Math.floor(x * 10) === i).length);
    expect(Math.min(...counts)).toBeGreaterThan(330);
  });
});

it('refuses seeds, counts and limits that make no sense', () => {
  expect(() => new Random(1.5)).toThrow(/1\.5/);
  expect(() => new Random(1).sample([1, 2], 3)).toThrow(/3 of 2/);
  expect(() => new Random(1).below(0)).toThrow(RangeError);
  expect(() => new Random(1).getrandbits(54)).toThrow(RangeError);
});
