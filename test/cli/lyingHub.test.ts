/** `pull` from a lying server: the true files or a UserError, no file outside, no incomplete file that looks complete. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pull } from '../../cli/hub/pull.js';
import { HubRepository } from '../../cli/hub/repository.js';
import { UserError } from '../../engine/errors.js';
import { temporaryFolder } from '../helpers/files.js';
import { LIES, type LyingHub, startLyingHub } from '../helpers/lyingHub.js';

const folder = temporaryFolder('lies');
const truth = {
  'config.json': Buffer.from('{"a":1}'),
  'tokenizer.json': Buffer.from('{"b":2}'),
  'model.safetensors': Buffer.from(Array.from({ length: 150_000 }, (_, i) => (i * 7919) % 251)),
};
const part = `model.safetensors.${createHash('sha256').update(truth['model.safetensors']).digest('hex').slice(0, 12)}.part`;
const silent = { begin: () => ({ update() {}, end() {} }), note() {}, close() {} };
let hub: LyingHub;
beforeAll(async () => {
  hub = await startLyingHub(truth);
});
afterAll(() => hub.close());

/** Each lie twice: into an empty folder, and into one with a partial download. */
const seeds = Array.from({ length: 2 * Object.keys(LIES).length }, (_, seed) => seed);

describe('a hub that lies', () => {
  it.each(seeds.map((seed) => [Object.keys(LIES)[seed % Object.keys(LIES).length], seed] as const))(
    'with %s (seed %i)',
    async (_, seed) => {
      const { refused } = hub.tell(seed);
      const home = join(folder, String(seed));
      const out = join(home, 'out');
      mkdirSync(out, { recursive: true });
      if (seed >= seeds.length / 2)
        writeFileSync(join(out, part), truth['model.safetensors'].subarray(0, 70_000));
      const options = { revision: 'main', endpoint: hub.endpoint, token: hub.token, quiet: 500 };
      const repository = new HubRepository('owner/name', options);
      const error: unknown = await pull(repository, out, {
        ...options,
        progress: silent,
        pauses: [0, 0],
      }).catch((thrown: unknown) => thrown);
      if (refused || error !== undefined) expect(error).toBeInstanceOf(UserError);
      if (error instanceof UserError) {
        expect(error.hint).not.toBe('');
        // No text from the server, such as terminal colours or new lines.
        expect(error.message).toMatch(/^[\x20-\x7e]{1,400}$/);
      }
      expect(hub.leaked).toEqual([]);
      expect(readdirSync(home)).toEqual(['out']);
      for (const name of readdirSync(out)) {
        if (name.endsWith('.part')) continue;
        expect(readFileSync(join(out, name)).equals(truth[name as keyof typeof truth])).toBe(true);
      }
      expect(existsSync(join(out, 'model.safetensors'))).toBe(error === undefined);
    },
  );
});
