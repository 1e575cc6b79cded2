/**
 * `npm run measure:load [-- FILE...]`: host memory to load a CLIP, as the peak of the whole process (with Node and Dawn) relative to
 * the size of the file; up to 1.3 is allowed. Without files, random ViT-L/14 checkpoints of each format are written to a temporary
 * folder, one at a time (up to 1.6 GiB each). Also prints the time. Ends with `tests: N passed, N failed`. With `--checksums`, our
 * own files are also loaded to the adapter with and without their checksum, in turns, which shows its cost (the goal is 5 %).
 *
 * Device memory must not count, but without a GPU it belongs to the same process. So all weights share one buffer here, each
 * replacing the one before.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodePlatform } from '../dist/cli/platform/node.js';
import { adapterEnvironment } from '../dist/cli/platform/relaunch.js';
import { openGpu } from '../dist/engine/gpu/gpu.js';
import { pytorchCheckpoint } from '../dist/formats/pytorch/pytorchWriter.js';
import { streamSafetensors } from '../dist/formats/safetensors.js';
import { loadCheckpoint } from '../dist/models/checkpoints/load.js';
import { expectedShapes } from '../dist/models/clip/config.js';
import { loadModel } from '../dist/models/clip/model.js';
import { summary } from './summary.mjs';

const FACTOR = 1.3;
const TURNS = 5;
const checksums = process.argv.includes('--checksums');
/** Only what uploads needs an adapter: to look for one takes memory. */
const adapter = checksums ? await adapterEnvironment(process.env.PROMPTKD_ADAPTER) : {};
const MIB = 2 ** 20;
/** Size of the largest uploaded weight; the token table stays on the host. */
const LARGEST_WEIGHT = 64 * MIB;
const VIT_L14 = {
  embed: 768,
  vision: { width: 1024, layers: 24, heads: 16, patch: 14, resolution: 224, tokens: 257 },
  text: { width: 768, layers: 12, heads: 12, vocabulary: 49408, contextLength: 77 },
};

/** Runs in a separate process: prints file size and peak in bytes. */
async function measure(file, upload) {
  const gpu = await openGpu(upload ? {} : { backend: 'null' });
  const usage = 0x80 | 0x4 | 0x8;
  const only = gpu.device.createBuffer({ label: 'any weight', size: LARGEST_WEIGHT, usage });
  if (!upload) gpu.device.createBuffer = () => only;
  const checkpoint = await loadCheckpoint(nodePlatform, file);
  const start = performance.now();
  await loadModel(gpu, checkpoint);
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
  const { size } = await nodePlatform.stat(checkpoint.path);
  console.log(JSON.stringify({ size, peak, ms: performance.now() - start }));
  process.exit(0);
}

async function measureAll(files) {
  if (process.platform !== 'linux') {
    console.log('this needs /proc and only runs on Linux');
    console.log(summary({ passed: 0, failed: 0, skipped: 1 }));
    return;
  }
  const counts = { passed: 0, failed: 0 };
  const folder = mkdtempSync(join(tmpdir(), 'promptkd-load-'));
  try {
    for (const given of files.length > 0 ? files.map((file) => [file]) : Object.entries(FORMATS)) {
      const [name, write] = given;
      const file = write ? join(folder, name, write.file ?? 'model') : name;
      if (write) await write(file);
      report(name, file, counts);
      if (write) rmSync(join(folder, name), { recursive: true, force: true });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(summary(counts));
  process.exitCode = counts.failed === 0 ? 0 : 1;
}

function report(name, file, counts) {
  try {
    const { size, peak, ms } = loadOnce(file);
    const factor = peak / size;
    const fits = factor <= FACTOR;
    counts[fits ? 'passed' : 'failed']++;
    const mib = (bytes) => `${Math.round(bytes / MIB)} MiB`;
    const cost = checksums && /safetensors/.test(name) ? `, ${percentForChecksum(file)}` : '';
    console.log(
      `${name}: ${mib(size)}, process at most ${mib(peak)} = ${factor.toFixed(2)} x (${FACTOR} allowed), ` +
        `${(ms / 1000).toFixed(1)} s${cost}${fits ? '' : '  TOO MUCH'}`,
    );
  } catch (error) {
    counts.failed++;
    console.log(`${name}: failed\n${error.message}`);
  }
}

/** @throws Error with what the process said when it fails */
function loadOnce(file, ...flags) {
  const script = fileURLToPath(import.meta.url);
  const env = { ...process.env, ...adapter };
  const child = spawnSync(process.execPath, [script, '--one', file, ...flags], { encoding: 'utf8', env });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout.trim().split('\n').at(-1));
}

/** Loads a file with its checksum and with blanks in its place, in turns; compares the least times. */
function percentForChecksum(file) {
  const handle = openSync(file, 'r+');
  const length = Buffer.alloc(8);
  readSync(handle, length, 0, 8, 0);
  const header = Buffer.alloc(Number(length.readBigUInt64LE(0)));
  readSync(handle, header, 0, header.length, 8);
  const blank = Buffer.from(header.toString('latin1').replace(/"checksum":"[^"]*",?/, blanks), 'latin1');
  const times = { without: [], with: [] };
  for (let turn = 0; turn < TURNS; turn++)
    for (const [which, text] of [
      ['without', blank],
      ['with', header],
    ]) {
      writeSync(handle, text, 0, text.length, 8);
      times[which].push(loadOnce(file, '--upload').ms);
    }
  closeSync(handle);
  const [without, whole] = [times.without, times.with].map((all) => Math.min(...all));
  return `${(100 * (whole / without - 1)).toFixed(1)} % more than without its checksum (${TURNS} turns)`;
}

function blanks(text) {
  return ' '.repeat(text.length);
}

/** Writers of ViT-L/14 checkpoints by format; the values do not matter. */
const FORMATS = {
  'safetensors, float16': (file) => writeFile(file, streamSafetensors(weights('F16'))),
  'safetensors, float32': (file) => writeFile(file, streamSafetensors(weights('F32'))),
  'PyTorch state dict, float16': (file) => writeFile(file, pytorchCheckpoint(weights('F16'), {})),
  'safetensors, float16, Hugging Face names': (file) => writeFile(file, streamSafetensors(huggingFace())),
};

async function writeFile(file, pieces) {
  mkdirSync(join(file, '..'), { recursive: true });
  await nodePlatform.write(file, pieces);
}

function weights(dtype) {
  return [...expectedShapes(VIT_L14)].map(([name, shape]) => tensor(name, shape, dtype));
}

function tensor(name, shape, dtype) {
  const size = product(shape) * (dtype === 'F16' ? 2 : 4);
  return { name, dtype, shape, bytes: async () => new Uint8Array(size).fill(0x2a) };
}

/** Hugging Face names: q, k and v are separate and both projections transposed, so the loader has to assemble them. */
function huggingFace() {
  const names = {
    logit_scale: 'logit_scale',
    'visual.proj': 'visual_projection.weight',
    text_projection: 'text_projection.weight',
    'visual.class_embedding': 'vision_model.embeddings.class_embedding',
    'visual.conv1.weight': 'vision_model.embeddings.patch_embedding.weight',
    'visual.positional_embedding': 'vision_model.embeddings.position_embedding.weight',
    positional_embedding: 'text_model.embeddings.position_embedding.weight',
    'token_embedding.weight': 'text_model.embeddings.token_embedding.weight',
  };
  return [...expectedShapes(VIT_L14)].flatMap(([name, shape]) => {
    if (names[name]) {
      const flipped = name.endsWith('proj') || name.endsWith('projection');
      return [tensor(names[name], flipped ? shape.toReversed() : shape, 'F16')];
    }
    const renamed = name
      .replace(/^(visual\.)?transformer\.resblocks\./, (_, visual) =>
        visual ? 'vision_model.encoder.layers.' : 'text_model.encoder.layers.',
      )
      .replace('visual.ln_pre', 'vision_model.pre_layrnorm')
      .replace('visual.ln_post', 'vision_model.post_layernorm')
      .replace('ln_final', 'text_model.final_layer_norm')
      .replace(/\.ln_(\d)/, '.layer_norm$1')
      .replace('attn.out_proj', 'self_attn.out_proj')
      .replace('mlp.c_fc', 'mlp.fc1')
      .replace('mlp.c_proj', 'mlp.fc2');
    const packed = /^(.*)attn\.in_proj_(\w+)$/.exec(renamed);
    if (!packed) return [tensor(renamed, shape, 'F16')];
    const part = [shape[0] / 3, ...shape.slice(1)];
    return ['q', 'k', 'v'].map((p) => tensor(`${packed[1]}self_attn.${p}_proj.${packed[2]}`, part, 'F16'));
  });
}

function product(shape) {
  return shape.reduce((all, side) => all * side, 1);
}

if (process.argv[2] === '--one') await measure(process.argv[3], process.argv[4] === '--upload');
else await measureAll(process.argv.slice(2).filter((word) => word !== '--checksums'));
