/** What a run leaves on disk, and how it is continued. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { Ended, failure, sgdRuns } from './sgdRuns.js';

const { run, at, bytes, checkpoints, same } = sgdRuns('checkpoints');

/** Flips the lowest bit of a byte. */
function flip(place: number, ...parts: string[]): void {
  const file = readFileSync(at(...parts));
  file[place]! ^= 1;
  writeFileSync(at(...parts), file);
}

describe('the checkpoints of a run', () => {
  beforeAll(async () => {
    await run('whole');
  });

  it('are the last two', () => {
    expect(checkpoints('whole')).toEqual(['epoch-0003.safetensors', 'epoch-0004.safetensors']);
  });

  it('bring it to the same bits, wherever it was killed, and within an epoch too', async () => {
    for (const killAt of [1, 4, 7, 14, 20, 24]) {
      const out = `killed-${killAt}`;
      await expect(run(out, { killAt, checkpointMinutes: 0 })).rejects.toThrow('killed');
      if (killAt === 1) expect(existsSync(at(out))).toBe(false);
      const { steps } = await run(out, { resume: true });
      // The three steps that were under way are done again.
      expect(steps[0]).toBeGreaterThan(killAt - 4);
      same(out);
    }
  });

  it('are written between updates alone where gradients are accumulated', async () => {
    await run('whole-3', { accumulate: 3 });
    await expect(run('killed-3', { accumulate: 3, killAt: 12, checkpointMinutes: 0 })).rejects.toThrow(
      'killed',
    );
    expect(checkpoints('killed-3')).toEqual([
      'epoch-0001.safetensors',
      'epoch-0002-batch-000003.safetensors',
    ]);
    await run('killed-3', { accumulate: 3, resume: true });
    same('killed-3', 'whole-3');
  });

  it('are written when the user asks for the end, and the run goes on from there', async () => {
    const error = await failure(run('stopped', { stopAt: 9 }));
    expect(error).toBeInstanceOf(Ended);
    expect(error.message).toBe(
      `stopped after batch 3 of epoch 2; continue with: promptkd teacher --resume --out ${at('stopped')}`,
    );
    const { steps, notes } = await run('stopped', { resume: true });
    expect(steps[0]).toBe(10);
    expect(notes).toContain('continuing after batch 3 of epoch 2');
    same('stopped');
  });

  it('give way to the one before when the newest is damaged, whatever part of it', async () => {
    const size = readFileSync(at('whole', 'checkpoints', 'epoch-0004.safetensors')).length;
    for (const place of [0, 9, 100, 200, size - 1]) {
      const out = `damaged-${place}`;
      await run(out);
      flip(place, out, 'checkpoints', 'epoch-0004.safetensors');
      const { notes, steps } = await run(out, { resume: true });
      expect(notes.some((line) => /left aside: .*epoch-0004/.test(line))).toBe(true);
      expect(steps[0]).toBe(19);
      same(out);
    }
  });

  it('end the command where all are damaged', async () => {
    await run('all-damaged');
    for (const name of checkpoints('all-damaged')) flip(100, 'all-damaged', 'checkpoints', name);
    const error = await failure(run('all-damaged', { resume: true }));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(/no checkpoint of .*all-damaged can be read: .*epoch-0004/);
    expect(error.hint).toMatch(/delete .*checkpoints/);
  });

  it('are never replaced by one that is not finite', async () => {
    const error = await failure(run('spoilt', { spoilAt: 15 }));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(/"x(\.momentum)?" is not written: its value .* is not finite/);
    expect(checkpoints('spoilt')).toEqual(['epoch-0001.safetensors', 'epoch-0002.safetensors']);
    await run('spoilt', { resume: true });
    same('spoilt');
  });

  it('stay when a step has left something that is not finite, and the step is named', async () => {
    const error = await failure(run('fault', { faultAt: 15 }));
    expect(error.message).toBe('step 3 of epoch 3: x is not finite: training has diverged');
    expect(checkpoints('fault')).toEqual(['epoch-0001.safetensors', 'epoch-0002.safetensors']);
  });

  it('belong to a run: others are told what differs', async () => {
    await failure(run('other', { killAt: 15 }));
    const settings = await failure(run('other', { resume: true, settings: { seed: 2, batch: 3 } }));
    expect(settings.message).toBe(
      `the run in ${at('other')} has other settings: seed is 1 there and 2 now; batch is not given there and 3 now`,
    );
    expect(settings.hint).toMatch(/only data, clip, .* may change/);
    const images = await failure(run('other', { resume: true, inputs: { images: 'b' } }));
    expect(images.message).toMatch(/the images of .*other has changed since/);
    // A damaged config.yaml is noticed by what the checkpoint knows.
    writeFileSync(at('other', 'config.yaml'), 'kind: teacher\nseed: 3\n');
    const edited = await failure(run('other', { resume: true, settings: { seed: 3 } }));
    expect(edited.message).toMatch(
      /that .*epoch-0002\.safetensors belongs to has other settings: seed is 1 there and 3 now/,
    );
  });

  it('may be continued from moved data, and config.yaml says where it is', async () => {
    await failure(run('moved', { killAt: 15, settings: { data: 'here', seed: 1 } }));
    await run('moved', { resume: true, settings: { data: 'there', seed: 1 } });
    expect(readFileSync(at('moved', 'config.yaml'), 'utf8')).toContain('data: there');
    expect(bytes('moved', 'result')).toBe(bytes('whole', 'result'));
  });

  it('know what metrics.jsonl said: a change in it is told', async () => {
    await failure(run('lines', { killAt: 15 }));
    flip(20, 'lines', 'metrics.jsonl');
    const { notes } = await run('lines', { resume: true });
    expect(notes.some((line) => /metrics\.jsonl was changed or damaged/.test(line))).toBe(true);
    expect(bytes('lines', 'result')).toBe(bytes('whole', 'result'));
  });

  it('may be missing: the run begins anew and says so', async () => {
    await run('none');
    rmSync(at('none', 'checkpoints'), { recursive: true });
    const { notes } = await run('none', { resume: true });
    expect(notes).toContain(`${at('none')} holds no checkpoint yet: the run begins anew`);
    same('none');
  });
});
