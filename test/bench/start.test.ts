/** What counts as host work, and the models of `bench start`. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderStarts } from '../../bench/start/command.js';
import { hostMilliseconds, type Profile } from '../../bench/start/hostTime.js';
import { writeRandomClip } from '../../bench/start/models.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { loadTokenizer } from '../../models/clip/tokenizerFile.js';
import { temporaryFolder } from '../helpers/files.js';

/** A profile of stacks, each with its milliseconds; frames are `function url`, the outermost first. */
function profileOf(stacks: readonly (readonly [ms: number, ...frames: string[]])[]): Profile {
  const nodes = [{ id: 1, callFrame: { functionName: '(root)', url: '' }, children: [] as number[] }];
  const samples: number[] = [];
  for (const [, ...frames] of stacks) {
    let parent = nodes[0]!;
    for (const frame of frames) {
      const [, functionName, url = ''] = /^(.*?)(?: ((?:file|node):.*))?$/.exec(frame)!;
      const node = { id: nodes.length + 1, callFrame: { functionName: functionName!, url }, children: [] };
      parent.children.push(node.id);
      nodes.push(node);
      parent = node;
    }
    samples.push(parent.id);
  }
  return { nodes, samples, timeDeltas: stacks.map(([ms]) => ms * 1000) };
}

describe('host time', () => {
  it('is the time of our functions with their calls, and garbage collection', () => {
    const own = 'toHalf file:///dist/engine/half.js';
    expect(
      hostMilliseconds(
        profileOf([
          [1, own],
          [2, own, 'writeBuffer'],
          [4, own, 'read node:fs'],
          [8, '(garbage collector)'],
          [16, 'compileModule node:internal/modules/esm'],
        ]),
      ),
    ).toBe(31);
  });
  it('excludes waiting', () => {
    expect(
      hostMilliseconds(
        profileOf([
          [1, '(idle)'],
          [2, '(program)'],
          [4, 'processImmediate node:internal/timers'],
          [8, 'processImmediate node:internal/timers', 'poll'],
          [16, 'processImmediate node:internal/timers', 'nap file:///dist/engine/waiting.js', 'wait'],
        ]),
      ),
    ).toBe(0);
  });
});

it('refuses unpublished models, and writes a vocabulary of the real size', async () => {
  const folder = temporaryFolder('start');
  await expect(writeRandomClip(folder, 'ViT-X')).rejects.toThrow('ViT-X is not a published model');
  await writeRandomClip(join(folder, 'b'), 'ViT-B/32');
  const tokenizer = await loadTokenizer(nodePlatform, join(folder, 'b'));
  expect(tokenizer.vocabularySize).toBe(49_408);
  expect(tokenizer.encode('a photo of a class 0.').length).toBeGreaterThan(5);
});

it('prints one row per command and cache state', () => {
  const row = { command: 'distill', models: 'a to b', precision: 'f16', until: 'first step done' };
  const measured = {
    seconds: 3.2,
    hostMilliseconds: 812.4,
    processorMilliseconds: 700,
    pipelines: 40,
    marks: { adapter: 700 },
    starts: 1,
  };
  const text = renderStarts([{ ...row, ...measured, caches: 'empty' }]);
  expect(text).toContain(
    '| distill | a to b | f16 | empty | first step done | 3.20 | 0.70 |  |  | 812 | 700 | 40 | 1 |',
  );
});
