/** Event files, read back by a decoder that shares nothing with what wrote them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { RunFolder } from '../../../models/runs/runFolder.js';
import { EventFile } from '../../../models/runs/tensorboard.js';
import { temporaryFolder } from '../../helpers/files.js';

/** CRC-32C bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ (byte >> bit)) & 1;
      crc = (crc >>> 1) ^ (odd ? 0x82f63b78 : 0);
    }
  return ~crc >>> 0;
}

const unmasked = (masked: number): number => {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
};

/** Fields of a protocol buffer message: their numbers and raw values. */
function* fields(bytes: Buffer): Generator<readonly [number, number | Buffer]> {
  let at = 0;
  const varint = () => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key & 7;
    let value: number | Buffer;
    if (kind === 0) value = varint();
    else {
      const length = kind === 1 ? 8 : kind === 5 ? 4 : varint();
      value = bytes.subarray(at, at + length);
      at += length;
    }
    yield [key >>> 3, value];
  }
}

interface Read {
  wallTime: number;
  step: number;
  version?: string;
  start?: boolean;
  scalars: Record<string, number>;
}

function readEvents(path: string): Read[] {
  const file = readFileSync(path);
  const events: Read[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(unmasked(file.readUInt32LE(at + 8))).toBe(crc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(unmasked(file.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    at += length + 16;
    const event: Read = { wallTime: Number.NaN, step: 0, scalars: {} };
    for (const [field, value] of fields(data)) {
      if (field === 1) event.wallTime = (value as Buffer).readDoubleLE();
      if (field === 2) event.step = value as number;
      if (field === 3) event.version = String(value);
      if (field === 7) event.start = [...fields(value as Buffer)].some(([f, v]) => f === 1 && v === 1);
      if (field !== 5) continue;
      for (const [, one] of fields(value as Buffer)) {
        const parts = new Map(fields(one as Buffer));
        event.scalars[String(parts.get(1))] = (parts.get(2) as Buffer).readFloatLE();
      }
    }
    events.push(event);
  }
  return events;
}

const folder = temporaryFolder('tensorboard');

describe('CRC-32C', () => {
  it('of the decoder is that of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });
});

describe('EventFile', () => {
  it('holds each number at its step, after a version and the start of a session', async () => {
    const events = new EventFile(
      nodePlatform,
      join(folder, 'one'),
      () => {},
      () => 1_700_000_000_500,
    );
    events.updatesPerEpoch = 3;
    events.add({ epoch: 1, step: 2, loss: 2.5, rate: 0.125 });
    await events.flush();
    events.add({ epoch: 2, step: 1, loss: -1e-3 });
    events.add({ epoch: 2, selectionAccuracy: 50 });
    events.add({ epoch: 2, imagesPerSecond: 1234 }, 'speed');
    await events.flush();
    const [name, ...others] = readdirSync(join(folder, 'one'));
    expect(others).toEqual([]);
    expect(name).toBe('events.out.tfevents.1700000000.promptkd');
    const [version, start, ...scalars] = readEvents(join(folder, 'one', name!));
    expect(version).toMatchObject({ version: 'brain.Event:2', wallTime: 1_700_000_000.5 });
    expect(start).toMatchObject({ step: 2, start: true });
    expect(scalars.map(({ step, scalars }) => [step, scalars])).toEqual([
      [2, { 'train/loss': 2.5, 'train/rate': 0.125 }],
      [4, { 'train/loss': Math.fround(-1e-3) }],
      [6, { 'train/selectionAccuracy': 50 }],
      [6, { 'speed/imagesPerSecond': 1234 }],
    ]);
  });

  it('starts another file for another process, even in the same second', async () => {
    for (const loss of [1, 2]) {
      const events = new EventFile(
        nodePlatform,
        join(folder, 'two'),
        () => {},
        () => 5000,
      );
      events.add({ epoch: 1, step: 1, loss });
      await events.flush();
    }
    const found = readdirSync(join(folder, 'two')).sort();
    expect(found).toHaveLength(2);
    found.forEach((name, i) => {
      expect(readEvents(join(folder, 'two', name)).at(-1)!.scalars).toEqual({ 'train/loss': i + 1 });
    });
  });

  it('says once that it cannot write, and nothing fails', async () => {
    const notes: string[] = [];
    const full = { ...nodePlatform, appendBytes: () => Promise.reject(new Error('disk full')) };
    const events = new EventFile(full, join(folder, 'full'), (line) => notes.push(line));
    for (let step = 1; step < 4; step++) {
      events.add({ epoch: 1, step, loss: 1 });
      await events.flush();
    }
    expect(notes).toEqual(['no more events for TensorBoard: disk full']);
  });
});

describe('a run folder', () => {
  it('has event files only where they are asked for; its own files are the same', async () => {
    const metrics: Buffer[] = [];
    for (const tensorboard of [false, true]) {
      const path = join(folder, `run-${tensorboard}`);
      const events = tensorboard
        ? new EventFile(nodePlatform, join(path, 'tensorboard'), () => {})
        : undefined;
      const run = await RunFolder.open(nodePlatform, path, 'teacher', { seed: 1 }, { events });
      run.log({ epoch: 1, step: 1, loss: 3 });
      await run.flush();
      await run.close();
      metrics.push(readFileSync(join(path, 'metrics.jsonl')));
      expect(readdirSync(path).includes('tensorboard')).toBe(tensorboard);
    }
    expect(metrics[1]).toEqual(metrics[0]);
  });
});
