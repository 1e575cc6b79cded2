/**
 * `node bench/gpu/pack.mjs [--out FOLDER] [--goldens FOLDER] [--built]`: everything that a rented Linux x64 machine needs for
 * bench/gpu/run.sh, in one folder below 58 MiB: Node, Dawn, the built project with its dependencies, the tests of the engine,
 * libraries that NVIDIA's Vulkan driver loads, and onnxruntime-node for the comparison. Nothing is built or fetched there. The machine
 * itself needs a GPU driver, a shell, tar, and xz or Python. Without arguments it writes bench/gpu/kit/.
 *
 * What is packed once for a version, Node and onnxruntime-node, is kept in the folder: xz takes minutes for them.
 */
import { execFile, execFileSync, execSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

/** So that it travels with a checkout, which is 5 MiB, where 64 MiB may. */
const LIMIT = 58 * 2 ** 20;
/** Not needed there: compilers, downloads, the software adapter. */
const LEFT_OUT = /^node_modules\/(@huggingface|@sparticuz|@typescript|bare-\w+|tar-fs)(\/|$)/;
/** Declarations and what explains a file. */
const NOT_RUN = /\.(d\.[cm]?ts|map|md)$/;
/** What the tests of the engine import, as the lock file names it; their own dependencies come along. */
const TEST_TOOLS = ['vitest', 'fast-check', '@petamoriken/float16'];
/** Large, and imported by vite only for style sheets. */
const NOT_FOR_TESTS = /^node_modules\/lightningcss/;
/** NVIDIA's driver is linked with them, and a container with a GPU often has the driver alone. */
const LIBRARIES = [
  ...['libvulkan1', 'libglvnd0', 'libglx0', 'libegl1', 'libx11-6', 'libxext6', 'libxcb1', 'libxau6'],
  ...['libxdmcp6', 'libbsd0', 'libmd0'],
];
/** Of two cores that is as fast as each can be: an archive here is too small for a second thread of xz. */
const AT_ONCE = 2;

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: { out: { type: 'string' }, goldens: { type: 'string' }, built: { type: 'boolean' } },
});
const out = values.out ?? join(root, 'bench', 'gpu', 'kit');
if (process.platform !== 'linux' || process.arch !== 'x64')
  fail('the kit is packed on Linux x64, as it carries this Node');
if (spawnSync('xz', ['--version']).status !== 0) fail('xz is not installed here (Debian, Ubuntu: xz-utils)');

if (!values.built) execSync('npm run build --silent', { cwd: root, stdio: 'inherit' });
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const node = `node-${process.version}.tar.xz`;
const peers = await peerArchive();
mkdirSync(out, { recursive: true });
for (const name of readdirSync(out))
  if (name !== node && name !== peers.archive) rmSync(join(out, name), { recursive: true });

const staging = mkdtempSync(join(tmpdir(), 'promptkd-kit-'));
try {
  const work = [];
  /** The largest ones first. */
  if (!existsSync(join(out, node))) work.push([node, stageNode(), ['.']]);
  if (!existsSync(join(out, peers.archive))) work.push([peers.archive, peers.folder, peers.files]);
  work.push(['app.tar.xz', stageApp(), ['.']], ['tests.tar.xz', stageTests(), ['.']]);
  if (values.goldens) work.push(['goldens.tar.xz', stageGoldens(values.goldens), ['.']]);
  work.push(['libraries.tar.xz', stageLibraries(), ['.']]);
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let next = work.shift(); next; next = work.shift()) await compress(...next);
    }),
  );
  for (const name of ['run.sh', 'pytorch_step.py'])
    copyFileSync(join(root, 'bench', 'gpu', name), join(out, name));
  writeFileSync(join(out, 'COMMIT'), `${commit()}\n`);
} finally {
  rmSync(staging, { recursive: true, force: true });
}
const sizes = readdirSync(out).map((name) => [name, statSync(join(out, name)).size]);
for (const [name, size] of sizes) console.log(`${(size / 2 ** 20).toFixed(1).padStart(6)} MiB  ${name}`);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
console.log(`${(total / 2 ** 20).toFixed(1).padStart(6)} MiB  ${out}`);
if (total > LIMIT) fail(`the kit is larger than ${LIMIT / 2 ** 20} MiB`);

function stageApp() {
  const folder = stage('app');
  for (const name of ['dist', 'shaders', 'package.json', 'presets', 'emoji-clip', 'bench/ladder'])
    copy(name, folder);
  for (const name of dependencies()) copy(name, folder);
  const dawn = join(folder, 'node_modules', 'webgpu', 'dist');
  for (const system of readdirSync(dawn))
    if (system !== 'linux-x64') rmSync(join(dawn, system), { recursive: true });
  strip(join(dawn, 'linux-x64', 'dawn.node'));
  // Results name it, as they do in a checkout.
  writeFileSync(join(folder, 'COMMIT'), `${commit()}\n`);
  return folder;
}

/** Beside what the app has: sources, as vitest compiles them, and vitest. */
function stageTests() {
  const folder = stage('tests');
  const sources = [
    'engine',
    'formats',
    'models',
    'shaders',
    'test/engine',
    'test/helpers',
    'vitest.config.ts',
    'tsconfig.json',
  ];
  for (const name of sources) copy(name, folder);
  const there = new Set(dependencies());
  for (const name of closure(TEST_TOOLS))
    if (!there.has(name) && !NOT_FOR_TESTS.test(name)) copy(name, folder);
  return folder;
}

/** The training case alone: the machine's time is short, and the rest says nothing about a GPU. */
function stageGoldens(goldens) {
  const from = existsSync(join(goldens, 'case.json')) ? goldens : join(goldens, 'tiny');
  if (!existsSync(join(from, 'case.json')))
    fail(`there is no training case in ${goldens}, or in its folder tiny`);
  const folder = stage('goldens');
  cpSync(from, join(folder, 'tiny'), { recursive: true, dereference: true });
  return folder;
}

function stageNode() {
  const folder = stage('node');
  copyFileSync(realpathSync(process.execPath), join(folder, 'node'));
  strip(join(folder, 'node'));
  return folder;
}

/** Where apt is there, everything that the driver needs; elsewhere the Vulkan loader of this machine. */
function stageLibraries() {
  const folder = stage('libraries');
  const unpacked = stage('packages');
  try {
    execFileSync('apt-get', ['download', ...LIBRARIES], {
      cwd: unpacked,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    for (const name of readdirSync(unpacked).filter((name) => name.endsWith('.deb')))
      execFileSync('dpkg-deb', ['-x', name, 'root'], { cwd: unpacked });
  } catch (error) {
    console.error(
      `only the Vulkan loader is carried, as Debian's packages are not to be had here: ${error.message}`,
    );
    cpSync(loader(), join(folder, 'libvulkan.so.1'), { dereference: true });
    return folder;
  }
  const libraries = join(unpacked, 'root', 'usr', 'lib', 'x86_64-linux-gnu');
  for (const name of readdirSync(libraries).filter((name) => /\.so\.\d+$/.test(name)))
    cpSync(realpathSync(join(libraries, name)), join(folder, name));
  return folder;
}

/** The one peer that is small enough: its binaries for this system, and the package that it imports. */
async function peerArchive() {
  // Of the build, which is there only now.
  const { installPeers } = await import('../../dist/bench/peers/install.js');
  installPeers();
  const folder = join(root, 'bench', 'peers');
  const name = 'node_modules/onnxruntime-node';
  const { version } = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8'));
  const binaries = readdirSync(join(folder, name, 'bin'))[0];
  const parts = ['package.json', 'dist', `bin/${binaries}/linux/x64`].map((part) => `${name}/${part}`);
  const files = ['package.json', ...parts, 'node_modules/onnxruntime-common'];
  return { archive: `onnxruntime-node-${version}.tar.xz`, folder, files };
}

function stage(name) {
  const folder = join(staging, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function copy(name, folder) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  const filter = (path) => !NOT_RUN.test(path);
  cpSync(join(root, name), join(folder, name), { recursive: true, dereference: true, filter });
}

/** Folders of what the project needs when it runs, by the lock file: those that are installed for this system. */
function dependencies() {
  return Object.entries(packages)
    .filter(([name, { dev, devOptional }]) => name !== '' && !dev && !devOptional && !LEFT_OUT.test(name))
    .map(([name]) => name)
    .filter(isHere);
}

function isHere(name) {
  return existsSync(join(root, name)) && !/linuxmusl|wasm32/.test(name);
}

/** Folders of packages and of everything that they need, by the lock file. */
function closure(names) {
  const found = new Set();
  const visit = (folder) => {
    if (found.has(folder)) return;
    found.add(folder);
    const { dependencies = {}, optionalDependencies = {} } = packages[folder];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const needed = resolve(name, folder);
      if (needed) visit(needed);
    }
  };
  for (const name of names) visit(`node_modules/${name}`);
  return [...found].filter(isHere);
}

/** Where Node finds a package from the folder of another: the nearest node_modules. */
function resolve(name, folder) {
  for (let at = folder; ; at = at.slice(0, at.lastIndexOf('/node_modules/'))) {
    if (packages[`${at}/node_modules/${name}`]) return `${at}/node_modules/${name}`;
    if (!at.includes('/node_modules/')) break;
  }
  return packages[`node_modules/${name}`] && `node_modules/${name}`;
}

/** Without the symbols that only a debugger reads, where binutils are installed. */
function strip(file) {
  chmodSync(file, 0o755);
  spawnSync('strip', ['-s', file]);
}

/** An archive with xz's largest window and its filter for x86 code, as the whole kit has to stay small. */
async function compress(name, folder, files) {
  const part = join(out, `${name}.part`);
  const xz = 'xz -T1 --x86 --lzma2=preset=9e';
  await promisify(execFile)('tar', ['-cf', part, '-I', xz, '--owner=0', '--group=0', '-C', folder, ...files]);
  renameSync(part, join(out, name));
}

/** The Vulkan loader of this machine. */
function loader() {
  const listed = execSync('ldconfig -p', {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` },
  });
  const found = /libvulkan\.so\.1 \(libc6,x86-64.*\) => (\S+)/.exec(listed)?.[1];
  if (!found) fail('libvulkan.so.1 is not installed here (Debian, Ubuntu: libvulkan1)');
  return found;
}

/** With a `+` where files differ from it. */
function commit() {
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim();
  const head = git('rev-parse', '--short=10', 'HEAD');
  return head ? head + (git('status', '--porcelain', '-uno') ? '+' : '') : 'unknown';
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}
