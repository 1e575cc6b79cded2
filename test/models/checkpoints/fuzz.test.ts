import { describe, expect, test } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { loadCheckpoint } from '../../../models/checkpoints/load.js';
import { encodeSafetensors } from '../../../models/checkpoints/safetensors.js';
import { memoryPlatform, studentClip, tinyClip, writeTorch, writeTorchScript } from './fixtures.js';

/** Mutations a format; FUZZ_ROUNDS=10000 for a long run. */
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 200);

/** Where the descriptions are: mutations of weights only change weights. */
interface Target {
  readonly file: Uint8Array;
  readonly from: number;
  readonly to: number;
}

const halves = tinyClip().map((tensor) => ({ ...tensor, dtype: 'F16' as const }));
const whole = (file: Uint8Array): Target => ({ file, from: 0, to: file.length });

function header(file: Uint8Array): Target {
  return { file, from: 0, to: 8 + new DataView(file.buffer).getUint32(0, true) };
}

function pickleOf(file: Uint8Array): Target {
  return { file, from: 0, to: Buffer.from(file).indexOf('PK\x03\x04', 4, 'latin1') };
}

function directory(file: Uint8Array): Target {
  return { file, from: Buffer.from(file).indexOf('PK\x01\x02', 0, 'latin1'), to: file.length };
}

const TARGETS: Record<string, Target> = {
  'safetensors header': header(encodeSafetensors(halves)),
  'safetensors anywhere': whole(encodeSafetensors(halves)),
  'state dict pickle': pickleOf(writeTorch(tinyClip())),
  'trainer pickle': pickleOf(writeTorch(studentClip(), true)),
  'TorchScript pickle': pickleOf(writeTorchScript(tinyClip())),
  'ZIP directory': directory(writeTorch(tinyClip())),
  'deflated, anywhere': whole(writeTorch(tinyClip(), false, { deflate: true })),
  'ZIP64 directory': directory(writeTorch(tinyClip(), false, { wide: true })),
};

/** Numbers 0 .. limit - 1 from a seed (mulberry32). */
function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

/** Bytes changed, cut off, removed, doubled or swapped for typical troublemakers. */
function mutate({ file, from, to }: Target, seed: number): Uint8Array {
  const next = random(seed);
  const spot = () => from + next(to - from);
  if (next(10) === 0) return file.slice(0, spot());
  const copy = file.slice();
  for (let changes = 1 + next(4); changes > 0; changes--) {
    const at = spot();
    const kind = next(4);
    if (kind === 0) copy[at] = next(256);
    else if (kind === 1) copy[at] ^= 1 << next(8);
    else if (kind === 2) copy.fill([0, 255, 0x7f][next(3)], at, at + [1, 2, 4, 8][next(4)]);
    else copy.copyWithin(at, spot(), Math.min(to, spot() + next(64)));
  }
  return copy;
}

describe.each(Object.keys(TARGETS))('%s', (name) => {
  test(`${ROUNDS} mutations: a message or a CLIP, nothing else`, { timeout: 600_000 }, async () => {
    const target = TARGETS[name];
    let refused = 0;
    for (let seed = 0; seed < ROUNDS; seed++) {
      const file = mutate(target, seed);
      const start = performance.now();
      try {
        const { tensors } = await loadCheckpoint(memoryPlatform({ m: file }), 'm');
        for (const tensor of tensors.values()) await tensor.read();
      } catch (error) {
        refused++;
        expect(error, `seed ${seed}`).toBeInstanceOf(UserError);
        expect((error as UserError).mend.length).toBeGreaterThan(5);
        expect((error as UserError).message.length).toBeLessThan(600);
      }
      expect(performance.now() - start, `seed ${seed}`).toBeLessThan(2000);
    }
    expect(refused).toBeGreaterThan(ROUNDS / 20);
  });
});
