/** `promptkd pull` against a local server that answers and fails like the Hub. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { download } from '../../cli/hub/download.js';
import { HubRepository } from '../../cli/hub/repository.js';
import { promptkdAsync } from '../helpers/cli.js';
import { emojiStudent } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { type FakeHub, startHub } from '../helpers/hub.js';

const folder = temporaryFolder('pull');
const weights = readFileSync(join(emojiStudent, 'model.safetensors'));
const tokenizer = readFileSync(join(emojiStudent, 'tokenizer.json'));
let hub: FakeHub;
beforeAll(async () => {
  hub = await startHub({
    'README.md': Buffer.from('# a model'),
    'flax_model.msgpack': Buffer.alloc(200_000),
    'model.safetensors': weights,
    'pytorch_model.bin': Buffer.alloc(150_000),
    'tokenizer.json': tokenizer,
  });
});
afterAll(() => hub.close());
beforeEach(() => hub.reset());

let runs = 0;
const pull = (out: string, args: string[] = [], env: Record<string, string> = {}) =>
  promptkdAsync(['pull', 'owner/name', '--out', out, ...args], {
    cwd: folder,
    env: { HF_ENDPOINT: hub.endpoint, HF_TOKEN: '', ...env },
  });
const fresh = () => `model-${++runs}`;
const read = (out: string, name = 'model.safetensors') => readFileSync(join(folder, out, name));
const partOf = (out: string) => readdirSync(join(folder, out)).filter((name) => name.endsWith('.part'));

/** A pull that must fail with a user error; returns the message. */
async function refused(out: string, args: string[] = [], env: Record<string, string> = {}): Promise<string> {
  const { status, stderr, stdout } = await pull(out, args, env);
  expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/^error: .+\nhint: .+\n$/m);
  expect(existsSync(join(folder, out, 'model.safetensors'))).toBe(false);
  return stderr;
}

describe('a pull', () => {
  it('fetches weights and tokenizer, and nothing else, ready to use', async () => {
    const { status, stdout, stderr } = await promptkdAsync(['pull', 'owner/name'], {
      cwd: folder,
      env: { HF_ENDPOINT: `${hub.endpoint}/` },
    });
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('owner/name is in name: safetensors, OpenAI names');
    expect(stderr).toContain('model.safetensors (0.7 MB): 100%');
    expect(readdirSync(join(folder, 'name'))).toEqual(['model.safetensors', 'tokenizer.json']);
    expect(read('name').equals(weights)).toBe(true);
    expect(read('name', 'tokenizer.json').equals(tokenizer)).toBe(true);
  });

  it('skips files that exist, with a list of several pages', async () => {
    const out = fresh();
    hub.reset({ pages: true });
    expect((await pull(out)).status).toBe(0);
    hub.reset();
    expect((await pull(out)).status).toBe(0);
    expect(hub.requests).toEqual(['GET /api/models/owner/name/tree/main']);
  });

  it('continues within the command when the connection is cut', async () => {
    const out = fresh();
    hub.reset({ cut: { after: 300_000, times: 2 } });
    const { status, stderr } = await pull(out);
    expect(status, stderr).toBe(0);
    expect(read(out).equals(weights)).toBe(true);
    const ranges = hub.requests.filter(
      (r) => r.includes('model.safetensors bytes=') && !r.endsWith('bytes=0-0'),
    );
    expect(ranges.length).toBeGreaterThan(0);
    for (const range of ranges) expect(range).toMatch(new RegExp(`bytes=[1-9]\\d+-${weights.length - 1}$`));
  });

  it('continues where an earlier command stopped', async () => {
    const out = fresh();
    hub.reset({ cut: { after: 100_000, times: 1 } });
    mkdirSync(join(folder, out));
    // What an interrupted command would have left.
    const sha = (await import('node:crypto')).createHash('sha256').update(weights).digest('hex');
    writeFileSync(
      join(folder, out, `model.safetensors.${sha.slice(0, 12)}.part`),
      weights.subarray(0, 600_000),
    );
    expect((await pull(out)).status).toBe(0);
    expect(hub.requests.some((r) => r.includes('bytes=600000-'))).toBe(true);
    expect(read(out).equals(weights)).toBe(true);
    expect(partOf(out)).toEqual([]);
  });

  it('starts over on a server that cannot resume', async () => {
    const out = fresh();
    hub.reset({ cut: { after: 300_000, times: 1 }, noRanges: true });
    const { status, stderr } = await pull(out);
    expect(status, stderr).toBe(0);
    expect(read(out).equals(weights)).toBe(true);
  });

  it('reads a gated model with a token, which it never sends to other servers', async () => {
    const out = fresh();
    hub.reset({ gated: true });
    const { status, stderr } = await pull(out, [], { HF_TOKEN: hub.token });
    expect(status, stderr).toBe(0);
    expect(hub.leaked).toEqual([]);
  });
});

describe('a pull that fails', () => {
  it('keeps no file with a wrong checksum', async () => {
    const out = fresh();
    const other = Buffer.from(weights);
    other.writeUInt8(other.readUInt8(500_000) ^ 1, 500_000);
    hub.reset({ replace: other });
    const message = await refused(out);
    expect(message).toContain('model.safetensors: the checksum');
    expect(partOf(out)).toEqual([]);
    // The small files before it were correct.
    hub.reset();
    expect((await pull(out)).status).toBe(0);
  });

  it('keeps a partial file for the next command if the connection keeps breaking', async () => {
    const out = fresh();
    mkdirSync(join(folder, out));
    const repository = new HubRepository('owner/name', { revision: 'main', endpoint: hub.endpoint });
    const file = (await repository.files()).find(({ name }) => name === 'model.safetensors')!;
    hub.reset({ cut: { after: 200_000, times: 2 } });
    const open = (start: number) => {
      if (hub.faults.cut!.times === 0) throw new Error('the network is down');
      return repository.open(file, start);
    };
    const target = join(folder, out, file.name);
    await expect(download(file, target, { open, pauses: [1, 1] })).rejects.toThrow('the network is down');
    expect(existsSync(target)).toBe(false);
    expect(partOf(out)).toHaveLength(1);
    hub.reset();
    expect((await pull(out)).status).toBe(0);
    expect(hub.requests.some((r) => /model.safetensors bytes=[1-9]\d+-/.test(r))).toBe(true);
    expect(read(out).equals(weights)).toBe(true);
  });

  it('says which server denies access', async () => {
    hub.reset({ gated: true });
    expect(await refused(fresh())).toMatch(/denies access to owner\/name \(401\)(.|\n)+HF_TOKEN/);
    hub.reset({ status: 404 });
    expect(await refused(fresh(), ['--revision', 'v9'])).toContain('owner/name with revision v9');
    hub.reset({ status: 500 });
    expect(await refused(fresh())).toContain('the server answers 500');
  });

  it('says what is wrong with the arguments', async () => {
    expect(await refused(fresh(), ['--endpoint', 'hub'])).toContain('"hub" is not a web address');
    expect(await refused(fresh(), ['--endpoint', 'http://127.0.0.1:9'])).toContain('http://127.0.0.1:9');
    expect(await refused(fresh(), [], { HF_TOKEN: 'sesame' })).toContain('HF_TOKEN');
    const { status, stderr } = await promptkdAsync(['pull', '../name'], { cwd: folder });
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('OWNER/NAME') });
  });

  it('does not replace a different file without --force', async () => {
    const out = fresh();
    mkdirSync(join(folder, out));
    writeFileSync(join(folder, out, 'tokenizer.json'), 'mine');
    expect(await refused(out)).toContain('--force');
    expect(read(out, 'tokenizer.json').toString()).toBe('mine');
    expect((await pull(out, ['--force'])).status).toBe(0);
    expect(read(out, 'tokenizer.json').equals(tokenizer)).toBe(true);
  });
});
