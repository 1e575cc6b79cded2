/** The folder of a run: when it is left behind, refused, and owned. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { UserError } from '../../../engine/errors.js';
import { withRunFolder } from '../../../models/runs/runFolder.js';
import { injectFaults } from '../../helpers/writeFaults.js';
import { failure, sgdRuns } from './sgdRuns.js';

const { run, at, same } = sgdRuns('run-folder');

describe('the folder of a run', () => {
  beforeAll(async () => {
    await run('whole');
  });

  it('is not left behind by a run that fails before its first checkpoint', async () => {
    await failure(run('failed', { killAt: 3 }));
    expect(existsSync(at('failed'))).toBe(false);
  });

  it('is not left behind where its first checkpoint is in its place and cannot be flushed', async () => {
    const unflushed = /checkpoints$/;
    const faults = injectFaults((call, _, path) =>
      call === 'syncFolder' && unflushed.test(path) ? 'EIO' : undefined,
    );
    try {
      expect((await failure(run('unflushed'))).message).toMatch(/cannot be written: EIO/);
    } finally {
      faults.restore();
    }
    expect(faults.hits).toBe(1);
    expect(existsSync(at('unflushed'))).toBe(false);
    await run('unflushed', { resume: true });
    same('unflushed');
  });

  it('is as it was when such a run was to use one that was there', async () => {
    mkdirSync(at('empty'));
    await failure(run('empty', { killAt: 3 }));
    expect(readdirSync(at('empty'))).toEqual([]);
  });

  it('begins anew, with or without --resume, where an earlier run was killed while it wrote config.yaml', async () => {
    for (const resume of [false, true]) {
      const out = `cut-${resume}`;
      mkdirSync(at(out));
      writeFileSync(at(out, 'config.yaml.0123456789ab.tmp'), 'kind: tea');
      const { notes } = await run(out, { resume });
      expect(notes.includes(`${at(out)} holds nothing to continue: the run begins anew`)).toBe(resume);
      same(out);
      expect(readdirSync(at(out)).some((name) => name.endsWith('.tmp'))).toBe(false);
    }
  });

  it('is refused where it holds something else', async () => {
    mkdirSync(at('foreign'));
    writeFileSync(at('foreign', 'letter.txt'), '');
    expect((await failure(run('foreign', { resume: true }))).message).toMatch(/foreign is not empty/);
    expect(readdirSync(at('foreign'))).toEqual(['letter.txt']);
  });

  it('has one owner at a time', async () => {
    const path = at('owned');
    await withRunFolder(nodePlatform, path, 'teacher', {}, {}, async () => {
      const error = await failure(run('owned', { resume: true, settings: {} }));
      expect(error.message).toMatch(new RegExp(`owned is in use by process ${process.pid}, which started`));
    });
  });

  it('is tried before anything is computed', async () => {
    writeFileSync(at('file'), '');
    for (const out of ['file', 'file/below']) expect(await failure(run(out))).toBeInstanceOf(UserError);
  });
});
