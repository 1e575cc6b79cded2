/** Examples that need data or a browser: a folder of images, the engine in a page. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import { openChromium } from '../helpers/chromium.js';
import { drawFewEmoji, fewEmoji } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { refusingProxy, serveFolder } from '../helpers/staticServer.js';
import { makeStudentRun } from '../helpers/studentRun.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder('examples');
const at = (...parts: string[]) => join(folder, ...parts);
const node = (...args: string[]): string =>
  execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const example = (name: string, ...args: string[]) => node(`examples/libraries/${name}.mjs`, ...args);

beforeAll(() => drawFewEmoji(at('data'), fewEmoji({ classes: 4, train: 4, test: 2 })));

it('classify.mjs gives what `promptkd predict` gives', async () => {
  const { classNames } = await loadDataset(nodePlatform, at('data'), {});
  await makeStudentRun(at('student'), { classNames: [...classNames] });
  const test = at('data', 'test');
  const json = node('dist/cli/main.js', 'predict', at('student'), test, '--top', '1', '--json');
  const images = JSON.parse(json) as {
    path: string;
    predictions: { className: string; probability: number }[];
  }[];
  expect(images).toHaveLength(8);
  const lines = images.map(({ path, predictions: [first] }) => {
    return `${path}: ${first!.className} ${(100 * first!.probability).toFixed(1)} %`;
  });
  expect(example('classify', at('student'), test).trim().split('\n')).toEqual(lines);
});

const proxy = await refusingProxy();
const opened = await openChromium(at('chromium'), { proxy: proxy.host });
const browser = typeof opened === 'string' ? undefined : opened;
const servers: { close(): Promise<void> }[] = [proxy];

afterAll(async () => {
  await browser?.close();
  await Promise.all(servers.map((server) => server.close()));
});

if (typeof opened === 'string') it.skip(`the engine in a page (${opened})`);
describe.skipIf(!browser)('the engine in a page', () => {
  it('learns XOR', async () => {
    mkdirSync(at('page'));
    copyFileSync(join(root, 'examples/page/index.html'), at('page', 'index.html'));
    await build({
      ...{ entryPoints: [join(root, 'examples/page/main.js')], outfile: at('page', 'bundle.js') },
      ...{ bundle: true, format: 'esm', external: ['webgpu'], logLevel: 'warning' },
    });
    const server = await serveFolder(at('page'), '/below/');
    servers.push(server);
    const page = await browser!.newPage();
    await page.goto(`http://${server.host}/below/`);
    await page.waitForFunction(`!document.querySelector('#result').textContent.startsWith('fitting')`);
    const said = await page.$eval('#result', (element) => element.textContent ?? '');
    const answers = /: (.*) \(/.exec(said)?.[1]?.split(', ').map(Number);
    expect(answers, said).toHaveLength(4);
    for (const [i, wanted] of [0, 1, 1, 0].entries())
      expect(Math.abs(answers![i]! - wanted), said).toBeLessThan(0.1);
  });
});
