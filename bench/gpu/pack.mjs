/**
 * `node bench/gpu/pack.mjs [--out FOLDER] [--goldens FOLDER]`: everything that a rented Linux x64 machine needs for bench/gpu/run.sh,
 * in one folder below 64 MiB: Node, Dawn, the built project with its dependencies, the Vulkan loader, and onnxruntime-node for the
 * comparison. The machine itself needs a GPU driver, a shell, tar, and xz or Python. Without arguments it writes bench/gpu/kit/.
 */
import { execFileSync, execSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const LIMIT = 64 * 2 ** 20;
/** Not needed there: compilers, downloads, drawings for the demo, the software adapter. */
const LEFT_OUT = /^node_modules\/(@huggingface|@iconify-json|@sparticuz|@typescript|bare-\w+|tar-fs)(\/|$)/;

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: { out: { type: 'string' }, goldens: { type: 'string' }, built: { type: 'boolean' } },
});
const out = values.out ?? join(root, 'bench', 'gpu', 'kit');
if (process.platform !== 'linux' || process.arch !== 'x64')
  fail('the kit is packed on Linux x64, as it carries this Node');

if (!values.built) execSync('npm run build --silent', { cwd: root, stdio: 'inherit' });
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const staging = mkdtempSync(join(tmpdir(), 'promptkd-kit-'));
try {
  for (const name of ['dist', 'shaders', 'package.json', 'presets', 'emoji-clip', 'bench/ladder']) copy(name);
  for (const name of dependencies()) copy(name);
  const dawn = 'node_modules/webgpu/dist';
  for (const system of readdirSync(join(staging, dawn)))
    if (system !== 'linux-x64') rmSync(join(staging, dawn, system), { recursive: true });
  compress(['-C', staging, '.'], 'app.tar.xz');
  const node = realpathSync(process.execPath);
  compress(['-C', join(node, '..'), 'node'], 'node.tar.xz');
  await packOnnxruntime();
  cpSync(loader(), join(out, 'libvulkan.so.1'), { dereference: true });
  if (values.goldens) compress(['-C', values.goldens, '.'], 'goldens.tar.xz');
  for (const name of ['run.sh', 'pytorch_step.py']) cpSync(join(root, 'bench', 'gpu', name), join(out, name));
} finally {
  rmSync(staging, { recursive: true, force: true });
}
const sizes = readdirSync(out).map((name) => [name, statSync(join(out, name)).size]);
for (const [name, size] of sizes) console.log(`${(size / 2 ** 20).toFixed(1).padStart(6)} MiB  ${name}`);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
console.log(`${(total / 2 ** 20).toFixed(1).padStart(6)} MiB  ${out}`);
if (total > LIMIT) fail(`the kit is larger than ${LIMIT / 2 ** 20} MiB`);

function copy(name) {
  cpSync(join(root, name), join(staging, name), { recursive: true, dereference: true });
}

/** The one peer that is small enough: its binaries for this system, and the package that it imports. */
async function packOnnxruntime() {
  // Of the build, which is there only now.
  const { installPeers } = await import('../../dist/bench/peers/install.js');
  const modules = join(root, 'bench', 'peers', 'node_modules');
  installPeers();
  const binaries = readdirSync(join(modules, 'onnxruntime-node', 'bin'))[0];
  const parts = ['package.json', 'dist', `bin/${binaries}/linux/x64`].map(
    (part) => `onnxruntime-node/${part}`,
  );
  compress(
    [
      '-C',
      join(modules, '..'),
      'package.json',
      ...[...parts, 'onnxruntime-common'].map((part) => `node_modules/${part}`),
    ],
    'peers.tar.xz',
  );
}

/** Folders of what the project needs when it runs, by the lock file: those that are installed for this system. */
function dependencies() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([name, { dev, devOptional }]) => name !== '' && !dev && !devOptional && !LEFT_OUT.test(name))
    .map(([name]) => name)
    .filter((name) => existsSync(join(root, name)) && !/linuxmusl|wasm32/.test(name));
}

/** Archives with xz's largest window, as the whole kit has to stay small. */
function compress(args, name) {
  execFileSync('tar', ['-cJf', join(out, name), ...args], {
    stdio: 'inherit',
    env: { ...process.env, XZ_OPT: '-9 -T2' },
  });
}

/** The Vulkan loader of this machine; a container with a GPU often has the driver alone. */
function loader() {
  const listed = execSync('ldconfig -p', {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` },
  });
  const found = /libvulkan\.so\.1 \(libc6,x86-64.*\) => (\S+)/.exec(listed)?.[1];
  if (!found) fail('libvulkan.so.1 is not installed here (Debian, Ubuntu: libvulkan1)');
  return found;
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}
