/** A headless Chromium with WebGPU on SwiftShader: the one that a test names, of the npm package, or of the system. */
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, launch } from 'puppeteer-core';

/** WebGPU by software, and a camera that shows a moving picture and needs no leave. */
const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];
const SYSTEM_NAMES = ['chromium', 'chromium-headless-shell', 'chromium-browser', 'google-chrome'];

interface Candidate {
  readonly path: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts a browser with a profile of its own.
 *
 * @param folder for what has to be unpacked first
 * @param proxy host and port that every request goes to which is not for this machine
 * @returns the reason where none can be had
 */
export async function openChromium(
  folder: string,
  { proxy, flags = [] }: { proxy: string; flags?: readonly string[] },
): Promise<Browser | string> {
  const reasons: string[] = [];
  for await (const { path, env } of candidates(folder, reasons)) {
    try {
      const args = [...FLAGS, ...flags, `--proxy-server=${proxy}`];
      // The libraries of Node's own adapter are none of its business.
      const { LD_LIBRARY_PATH: _, VK_DRIVER_FILES: __, ...rest } = process.env;
      return await launch({ executablePath: path, headless: 'shell', args, env: { ...rest, ...env } });
    } catch (error) {
      reasons.push(`${path}: ${(error as Error).message.split('\n').find(Boolean)}`);
    }
  }
  return `no Chromium starts here: ${reasons.join('; ') || 'none is installed'}`;
}

async function* candidates(folder: string, reasons: string[]): AsyncGenerator<Candidate> {
  const named = process.env.PROMPTKD_CHROMIUM;
  if (named) {
    yield { path: named };
    return;
  }
  try {
    const path = await unpacked(folder);
    yield { path };
    // On a system that lacks its libraries, those that come with it.
    yield {
      path,
      env: { LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'), FONTCONFIG_PATH: join(folder, 'fonts') },
    };
  } catch (error) {
    reasons.push(`@sparticuz/chromium: ${(error as Error).message}`);
  }
  for (const name of SYSTEM_NAMES)
    for (const place of (process.env.PATH ?? '').split(delimiter))
      if (existsSync(join(place, name))) yield { path: join(place, name) };
}

/** The browser of the npm package `@sparticuz/chromium`, with its libraries and fonts beside it. */
async function unpacked(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const saved = { ...process.env };
  // It unpacks into the folder for temporary files, and libraries only where it believes to be in the cloud.
  Object.assign(process.env, { TMPDIR: folder, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' });
  try {
    const { default: chromium } = await import('@sparticuz/chromium');
    return await chromium.executablePath();
  } finally {
    for (const name of ['TMPDIR', 'AWS_LAMBDA_JS_RUNTIME', 'LD_LIBRARY_PATH', 'FONTCONFIG_PATH', 'HOME'])
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
  }
}
