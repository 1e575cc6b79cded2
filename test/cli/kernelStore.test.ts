import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KernelStore, kernelFile } from '../../cli/device/kernelStore.js';
import type { AdapterSummary } from '../../engine/gpu/gpu.js';
import { tryFileFlips } from '../helpers/flips.js';

const summary: AdapterSummary = {
  name: 'Some GPU (TM) 3',
  vendor: 'some',
  architecture: '',
  driver: 'driver 1',
  backend: 'vulkan',
  software: false,
  features: [],
  limits: {},
};
const about = { adapter: summary.name, driver: summary.driver, level: 'matrix' };
const choice = {
  name: 'shared-memory-tiled 64',
  milliseconds: { 'shared-memory-tiled 128': 2, 'shared-memory-tiled 64': 1 },
};

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'promptkd-kernels-'));
  path = kernelFile(summary, 'matrix', { XDG_CACHE_HOME: folder });
});
afterEach(() => rmSync(folder, { recursive: true }));

const notes: string[] = [];
const open = () => {
  notes.length = 0;
  return new KernelStore(path, about, (note) => notes.push(note));
};

describe('the kernel store', () => {
  it('is named by adapter and driver', () => {
    expect(path).toMatch(/promptkd[/\\]kernels[/\\]some-gpu-tm-3-[0-9a-f]{8}\.json$/);
    const other = kernelFile({ ...summary, driver: 'driver 2' }, 'matrix', { XDG_CACHE_HOME: folder });
    expect(other).not.toBe(path);
  });

  it('is a different file at another level, which has other kernels', () => {
    expect(kernelFile(summary, 'portable', { XDG_CACHE_HOME: folder })).not.toBe(path);
  });

  it('keeps verdicts and choices from one process to the next, in one file', () => {
    const store = open();
    expect(store.verdicts.get('abc')).toBeUndefined();
    store.verdicts.set({ abc: '', def: 'its results differ' });
    store.choices.set('matmul NN', choice);
    const again = open();
    expect([again.verdicts.get('abc'), again.verdicts.get('def')]).toEqual(['', 'its results differ']);
    expect(again.choices.get('matmul NN')).toEqual(choice);
    expect([again.verdicts.get('toString'), again.choices.get('toString')]).toEqual([undefined, undefined]);
    expect(readdirSync(dirname(path))).toHaveLength(1);
    expect(notes).toEqual([]);
  });

  it('deletes choices but keeps verdicts', () => {
    const store = open();
    store.verdicts.set({ abc: '' });
    store.choices.set('matmul NN', choice);
    store.forgetChoices();
    expect([open().verdicts.get('abc'), open().choices.get('matmul NN')]).toEqual(['', undefined]);
  });

  it('keeps entries that another process added meanwhile', () => {
    const [one, other] = [open(), open()];
    one.verdicts.set({ abc: '' });
    other.choices.set('matmul NN', choice);
    one.verdicts.set({ def: '' });
    const found = open();
    expect([found.verdicts.get('abc'), found.verdicts.get('def')]).toEqual(['', '']);
    expect(found.choices.get('matmul NN')).toEqual(choice);
    found.forgetChoices();
    expect(open().choices.get('matmul NN')).toBeUndefined();
  });

  it('silently drops results of another version of the kernels or their compiler', () => {
    open().verdicts.set({ abc: '' });
    const stored = JSON.parse(readFileSync(path, 'utf8'));
    expect(stored.version).toMatch(/^webgpu \d+\.\d+\.\d+, kernels [0-9a-z]{8,11}$/);
    writeFileSync(path, JSON.stringify({ ...stored, version: 'webgpu 0.1.0' }));
    expect(open().verdicts.get('abc')).toBeUndefined();
    expect(notes).toEqual([]);
  });

  it('uses nothing from a file with a flipped bit', async () => {
    open().verdicts.set({ abc: '', def: 'its results differ' });
    open().choices.set('matmul NN', choice);
    const read = async () => {
      const { stored } = open();
      return Object.keys({ ...stored.verdicts, ...stored.choices }).length === 0 ? 'anew' : { ...stored };
    };
    const isNoticed = (found: unknown) => found === 'anew';
    const { silent, crashed } = await tryFileFlips(path, read, { count: 300, isNoticed });
    expect([silent, crashed]).toEqual([[], []]);
  });

  it('ignores a broken file with a note, and replaces it with the next verdict', () => {
    open().verdicts.set({ def: 'its results differ' });
    const whole = readFileSync(path, 'utf8');
    const { crc32: _, ...fields } = JSON.parse(whole);
    const unsealed = JSON.stringify(fields);
    for (const text of ['{"version": "a", "verd', unsealed, whole.replace('differ', 'agree')]) {
      writeFileSync(path, text);
      const store = open();
      expect(store.verdicts.get('abc')).toBeUndefined();
      expect(notes).toHaveLength(1);
      expect(notes[0]).toContain('kernels are checked again');
      store.verdicts.set({ abc: '' });
      expect(open().verdicts.get('abc')).toBe('');
    }
  });

  it('works without a writable cache, after one note', () => {
    writeFileSync(join(folder, 'promptkd'), 'a file where the folder should be');
    const store = open();
    store.verdicts.set({ a: '' });
    store.verdicts.set({ b: 'wrong' });
    expect([store.verdicts.get('a'), store.verdicts.get('b')]).toEqual(['', 'wrong']);
    expect(notes).toHaveLength(1);
  });
});
