import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileStore, tuningFile } from '../../cli/tuning.js';
import type { AdapterSummary } from '../../engine/gpu.js';

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
const about = { adapter: summary.name, driver: summary.driver };

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'promptkd-tuning-'));
  path = tuningFile(summary, 'matrix', { XDG_CACHE_HOME: folder });
});
afterEach(() => rmSync(folder, { recursive: true }));

const notes: string[] = [];
const open = () => {
  notes.length = 0;
  return fileStore(path, about, (note) => notes.push(note));
};

describe('the file of tuned choices', () => {
  it('is named by adapter and driver', () => {
    expect(path).toMatch(/promptkd[/\\]tuning[/\\]some-gpu-tm-3-[0-9a-f]{8}\.json$/);
    expect(tuningFile({ ...summary, driver: 'driver 2' }, 'matrix', { XDG_CACHE_HOME: folder })).not.toBe(
      path,
    );
  });

  it('is another one at another level, whose kernels are fewer', () => {
    expect(tuningFile(summary, 'portable', { XDG_CACHE_HOME: folder })).not.toBe(path);
  });

  it('keeps choices from one process to the next, and leaves nothing else', () => {
    const store = open();
    expect(store.get('product NN')).toBeUndefined();
    store.set('product NN', 'staged 64');
    store.set('product NT', 'staged 128');
    const again = open();
    expect([again.get('product NN'), again.get('product NT')]).toEqual(['staged 64', 'staged 128']);
    expect(again.get('toString')).toBeUndefined();
    expect(readdirSync(dirname(path))).toHaveLength(1);
    expect(notes).toEqual([]);
  });

  it('forgets what was tuned for other kernels, without a word', () => {
    open().set('product NN', 'staged 64');
    const stored = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...stored, kernels: 'older' }));
    expect(open().get('product NN')).toBeUndefined();
    expect(notes).toEqual([]);
  });

  it('ignores a broken file with a note, and replaces it with the next choice', () => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '{"kernels": "a", "choi');
    const store = open();
    expect(store.get('product NN')).toBeUndefined();
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('what was tuned before is not used');
    store.set('product NN', 'staged 32');
    expect(open().get('product NN')).toBe('staged 32');
  });

  it('goes on without a cache that cannot be written, with one note', () => {
    writeFileSync(join(folder, 'promptkd'), 'a file where the folder should be');
    const store = open();
    store.set('a', 'x');
    store.set('b', 'y');
    expect([store.get('a'), store.get('b')]).toEqual(['x', 'y']);
    expect(notes).toHaveLength(1);
  });
});
