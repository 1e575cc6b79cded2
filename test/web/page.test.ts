/** The page of `promptkd export --format web` in a headless Chromium, against the same student in Node. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { packageFolder } from '../../cli/platform/packageFolder.js';
import { exportWebFolder } from '../../cli/platform/webFolder.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { openChromium } from '../helpers/chromium.js';
import { drawFewEmoji, fewEmoji } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { testJob } from '../helpers/job.js';
import { refusingProxy, serveFolder } from '../helpers/staticServer.js';
import { makeStudentRun } from '../helpers/studentRun.js';

/** What the page's `classified` event says. */
interface Classified {
  readonly name: string;
  readonly classNames: readonly string[];
  readonly logits: readonly number[];
  readonly milliseconds: number;
}

/** Where the page lies on its server: not at the root. */
const PREFIX = '/some/where/';
const folder = temporaryFolder('web');
const at = (...parts: string[]) => join(folder, ...parts);
const proxy = await refusingProxy();
const opened = await openChromium(at('chromium'), { proxy: proxy.host });
const browser = typeof opened === 'string' ? undefined : opened;
const servers: { close(): Promise<void> }[] = [proxy];
const images: string[] = [];
let address = '';

afterAll(async () => {
  await browser?.close();
  await Promise.all(servers.map((server) => server.close()));
});

if (typeof opened === 'string') it.skip(`the page in Chromium (${opened})`);

describe.skipIf(!browser)('the page of a student, in Chromium', () => {
  beforeAll(async () => {
    await drawFewEmoji(at('data'), fewEmoji({ classes: 5, train: 2, test: 2 }));
    const { classNames, test } = await loadDataset(nodePlatform, at('data'), {});
    await makeStudentRun(at('student'), { classNames: [...classNames] });
    await exportWebFolder(at('student'), at('page'), {});
    mkdirSync(at('images'));
    for (const [i, { path }] of test.entries()) {
      images.push(at('images', `${i}.png`));
      copyFileSync(path, images[i]!);
    }
    const server = await serveFolder(at('page'), PREFIX);
    servers.push(server);
    address = `http://${server.host}${PREFIX}`;
  });

  it("gives Node's logits for ten images of the demo, soon, and asks no other host for anything", async () => {
    expect(images).toHaveLength(10);
    const started = performance.now();
    const { page, requests } = await open(address);
    const [first] = await classify(page, images.slice(0, 1));
    const cold = performance.now() - started;
    const rest = await classify(page, images.slice(1));
    const expected = await logitsInNode(at('student'), images);
    expectClose([first!, ...rest], expected);
    const warm = rest.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
    console.log(
      `first classification ${(cold / 1000).toFixed(2)} s after the page was asked for; ` +
        `then ${warm[warm.length >> 1]!.toFixed(0)} ms an image (median of ${warm.length})`,
    );
    expect(requests.filter((url) => !url.startsWith(address) && !url.startsWith('blob:'))).toEqual([]);
    expect(proxy.asked).toEqual([]);
    await page.close();
  });

  it('sees the pixels that Node sees, whatever an image stores', async () => {
    const drawn = sharp(images[0]!).resize(70, 50, { fit: 'fill' }).removeAlpha();
    const rgb = await drawn.raw().toBuffer();
    const alpha = Buffer.from(Array.from({ length: 70 * 50 }, (_, i) => (i * 7) % 256));
    const raw = { width: 70, height: 50 } as const;
    const transparent = sharp(rgb, { raw: { ...raw, channels: 3 } }).joinChannel(alpha, {
      raw: { ...raw, channels: 1 },
    });
    const files = ['alpha', 'palette', 'grey', 'deep', 'turned'].map((name) => at('images', `${name}.png`));
    await transparent.png().toFile(files[0]!);
    await drawn.clone().png({ palette: true }).toFile(files[1]!);
    await drawn.clone().greyscale().png().toFile(files[2]!);
    await drawn.clone().toColourspace('rgb16').png().toFile(files[3]!);
    await drawn
      .clone()
      .withExif({ IFD0: { Orientation: '6' } })
      .png()
      .toFile(files[4]!);
    const { page } = await open(address);
    expectClose(await classify(page, files), await logitsInNode(at('student'), files));
    await page.close();
  });

  it('takes matrices that are stored as float16', async () => {
    await exportWebFolder(at('student'), at('half'), { half: true });
    const server = await serveFolder(at('half'), '/');
    servers.push(server);
    const { page } = await open(`http://${server.host}/`);
    expectClose(
      await classify(page, images.slice(0, 2)),
      await logitsInNode(at('half', 'student.safetensors'), images.slice(0, 2)),
    );
    await page.close();
  });

  it('classifies what the camera shows until it is stopped', async () => {
    const { page } = await open(address);
    await page.waitForSelector('#classes:not([hidden])');
    await page.click('#camera');
    await page.waitForFunction(() => document.querySelectorAll('.card .class').length === 5);
    expect(await text(page, '.card h3')).toBe('Camera');
    await page.click('#keep');
    await page.waitForFunction(() => document.querySelectorAll('.card .class').length === 10);
    await page.click('#camera');
    await page.waitForFunction(() => document.querySelectorAll('.card').length === 1);
    expect(await text(page, '#camera')).toBe('Use camera');
    await page.close();
  });

  it('says what to do where there is no WebGPU', async () => {
    const page = await browser!.newPage();
    await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, 'gpu', { value: undefined }));
    await page.goto(address);
    expect(await text(page, '#problem:not([hidden])')).toContain('Update your browser');
    expect(await page.$eval('#files', (input) => (input as HTMLInputElement).disabled)).toBe(true);
    await page.close();
  });

  it('says what is wrong with files and models', async () => {
    const { page } = await open(address);
    const broken = at('images', 'broken.png');
    copyFileSync(
      at('data', 'domain.json').replace('data', 'student').replace('domain.json', 'config.yaml'),
      broken,
    );
    await choose(page, [broken]);
    await page.waitForFunction(() =>
      /cannot read it/.test(document.querySelector('.card .note')?.textContent ?? ''),
    );
    await page.close();

    const damaged = await serveFolder(at('page'), '/', (name, content) =>
      name === 'student.safetensors' ? content.subarray(0, content.length >> 1) : content,
    );
    servers.push(damaged);
    const { page: other } = await open(`http://${damaged.host}/`);
    await other.waitForSelector('#problem:not([hidden])');
    expect(await text(other, '#problem')).toContain('student.safetensors');
    await other.close();
  });

  it.each([
    ...[390, 1280].flatMap((width) => (['light', 'dark'] as const).map((scheme) => ({ width, scheme }))),
  ])('can be used by all at $width pixels, $scheme', async ({ width, scheme }) => {
    const { page } = await open(address, { width, scheme });
    await classify(page, images.slice(0, 3));
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    expect(await violations(page)).toEqual([]);

    // By keyboard: every control in order, and each shows that it has the focus.
    await page.evaluate(() => document.body.focus());
    const reached: string[] = [];
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(() => document.activeElement?.id || document.activeElement!.tagName));
    }
    expect(reached).toEqual(['files', 'camera', 'SUMMARY', 'clear']);
    expect(await text(page, '#announcer')).toMatch(/^2\.png: .+, \d+\.\d %$/);
    await page.keyboard.press('Enter');
    expect(await page.$$('.card')).toHaveLength(0);
    await page.close();
  });
});

it('brings nothing of Node to browsers, and imports nothing that is not in it', () => {
  const bundled = packageFolder('dist/web', 'index.html');
  expect(readdirSync(bundled).sort()).toEqual(['icon.svg', 'index.html', 'page.css', 'page.js', 'worker.js']);
  for (const name of ['page.js', 'worker.js']) {
    const code = readFileSync(join(bundled, name), 'utf8');
    expect(code.match(/["']node:\w+["']|\brequire\(|\bimport\s*\(|^import\b/gm)).toBeNull();
  }
});

async function open(
  url: string,
  { width = 1280, scheme = 'light' }: { width?: number; scheme?: 'light' | 'dark' } = {},
): Promise<{ page: Page; requests: string[] }> {
  const page = await (browser as Browser).newPage();
  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.evaluateOnNewDocument(() => {
    const results: unknown[] = [];
    Object.assign(globalThis, { results });
    document.addEventListener('classified', (event) => {
      const { logits, times, ...rest } = (event as CustomEvent).detail;
      results.push({ ...rest, logits: [...logits], milliseconds: times.decode + times.model });
    });
  });
  await page.goto(url);
  return { page, requests };
}

async function choose(page: Page, paths: readonly string[]): Promise<void> {
  const files = await page.$('input[type=file]');
  await (files as unknown as { uploadFile(...paths: string[]): Promise<void> }).uploadFile(...paths);
}

/** What the page says of image files, in their order. */
async function classify(page: Page, paths: readonly string[]): Promise<Classified[]> {
  await page.evaluate('results.length = 0');
  await choose(page, paths);
  await page.waitForFunction(`results.length === ${paths.length}`, { timeout: 120_000 });
  return (await page.evaluate('results')) as Classified[];
}

async function logitsInNode(model: string, paths: readonly string[]): Promise<Float32Array> {
  const job = await testJob();
  const classifier = await Classifier.ofRun(job, model);
  const { rows } = await classifier.logits(
    job,
    paths.map((path) => ({ path, label: 0 })),
    '',
  );
  classifier.destroy();
  return rows;
}

function expectClose(found: readonly Classified[], expected: Float32Array): void {
  const values = found.flatMap(({ logits }) => logits);
  expect(values).toHaveLength(expected.length);
  const differences = values.map((value, i) => Math.abs(value - expected[i]!));
  expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(1);
  expect(Math.max(...differences)).toBeLessThan(1e-3);
}

const text = (page: Page, selector: string): Promise<string> =>
  page.$eval(selector, (element) => element.textContent ?? '');

/** What axe finds wrong for people who see little, or use a keyboard or screen reader. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  const { violations } = (await page.evaluate('axe.run()')) as {
    violations: { id: string; nodes: { html: string }[] }[];
  };
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}
