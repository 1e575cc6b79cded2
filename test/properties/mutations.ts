/** Damaged and hostile checkpoints of every format, each the same for the same seed. */
import { encodeSafetensors } from '../../formats/safetensors.js';
import { unsealed } from '../helpers/safetensors.js';
import { rename, studentClip, tinyClip } from '../helpers/tinyClip.js';
import {
  torchFiles,
  torchScriptFiles,
  writeLegacyTorch,
  writeTorch,
  writeTorchScript,
  writeZip,
} from '../helpers/torchFixtures.js';
import { type Next, pick } from './choices.js';
import { mutateJson } from './mutateJson.js';
import { mutatePickle } from './mutatePickle.js';
import { mutateDirectory } from './mutateZip.js';

/** Files by path, and the path to load. */
export interface Damaged {
  readonly files: Record<string, Uint8Array | string>;
  readonly path: string;
}

const single = (file: Uint8Array): Damaged => ({ files: { m: file }, path: 'm' });

/** Bytes changed, cut off, removed, doubled or swapped for typical troublemakers, within `from` .. `to`. */
export function mutateBytes(file: Uint8Array, from: number, to: number, next: Next): Uint8Array {
  const spot = () => from + next(to - from);
  if (next(10) === 0) return file.slice(0, spot());
  const copy = file.slice();
  for (let changes = 1 + next(4); changes > 0; changes--) {
    const at = spot();
    const kind = next(4);
    if (kind === 0) copy[at] = next(256);
    else if (kind === 1) copy[at]! ^= 1 << next(8);
    else if (kind === 2) copy.fill(pick(next, [0, 255, 0x7f]), at, at + pick(next, [1, 2, 4, 8]));
    else copy.copyWithin(at, spot(), Math.min(to, spot() + next(64)));
  }
  return copy;
}

/** Mutations of a part of a file: those of weights only change weights. */
function bytesOf(file: Uint8Array, from = 0, to = file.length): (next: Next) => Damaged {
  return (next) => single(mutateBytes(file, from, to, next));
}

const find = (file: Uint8Array, signature: string, from = 0) =>
  Buffer.from(file.buffer, file.byteOffset, file.length).indexOf(signature, from, 'latin1');

function inHeader(file: Uint8Array) {
  return bytesOf(file, 0, 8 + new DataView(file.buffer).getUint32(0, true));
}

const inPickle = (file: Uint8Array) => bytesOf(file, 0, find(file, 'PK\x03\x04', 4));
const inDirectory = (file: Uint8Array) => bytesOf(file, find(file, 'PK\x01\x02'));

/** The same weights with a header that is damaged as JSON and otherwise whole. */
export function withHeader(file: Uint8Array, next: Next): Uint8Array {
  const size = new DataView(file.buffer).getUint32(0, true);
  const header = Buffer.from(mutateJson(new TextDecoder().decode(file.subarray(8, 8 + size)), next));
  const out = Buffer.concat([Buffer.alloc(8), header, file.subarray(8 + size)]);
  out.writeBigUInt64LE(BigInt(header.length));
  return Uint8Array.from(out);
}

const halves = tinyClip().map((tensor) => ({ ...tensor, dtype: 'F16' as const }));
/** As other programs write it: of ours, with a checksum, next to nothing damaged would be read any further. */
const whole = unsealed(encodeSafetensors(halves));
const openClip = rename(tinyClip(), (name) => (/^(visual|logit)/.test(name) ? name : `text.${name}`));

const shards = {
  'f/1.safetensors': unsealed(encodeSafetensors(halves.slice(0, 9))),
  'f/2.bin': writeTorch(tinyClip().slice(9)),
};
const index = JSON.stringify({
  metadata: { total_size: 1 },
  weight_map: Object.fromEntries(halves.map(({ name }, i) => [name, i < 9 ? '1.safetensors' : '2.bin'])),
});
const tower = { hidden_size: 64, num_attention_heads: 1, hidden_act: 'gelu', layer_norm_eps: 1e-5 };
const config = JSON.stringify({
  projection_dim: 8,
  vision_config: { ...tower, image_size: 4, patch_size: 2, num_hidden_layers: 2 },
  text_config: { ...tower, vocab_size: 16, max_position_embeddings: 6, eos_token_id: 15 },
});
const legacy = writeLegacyTorch(tinyClip());
/** Its end, behind the pickles. */
const legacyStorages = tinyClip().reduce((sum, { data }) => sum + 8 + 2 * data.length, 0);
const archives = [torchFiles(tinyClip()), torchFiles(studentClip(), true), torchScriptFiles(tinyClip())];
const archiveBytes = [{}, { deflate: true }, { wide: true }].map((options) =>
  writeZip(torchFiles(tinyClip()), options),
);

export const FORMATS: Readonly<Record<string, (next: Next) => Damaged>> = {
  'safetensors, bytes of the header': inHeader(whole),
  'safetensors, bytes anywhere': bytesOf(whole),
  'safetensors, JSON of the header': (next) => single(withHeader(whole, next)),
  'shards, JSON of the index': (next) => ({
    files: { ...shards, 'f/model.safetensors.index.json': mutateJson(index, next) },
    path: 'f',
  }),
  'Hugging Face folder, JSON of the config': (next) => ({
    files: { 'f/model.safetensors': whole, 'f/config.json': mutateJson(config, next) },
    path: 'f',
  }),
  'state dict, bytes of the pickle': inPickle(writeTorch(tinyClip())),
  'open_clip state dict, bytes of the pickle': inPickle(writeTorch(openClip)),
  'student checkpoint, bytes of the pickle': inPickle(writeTorch(studentClip(), true)),
  'TorchScript, bytes of the pickle': inPickle(writeTorchScript(tinyClip())),
  'PyTorch before 1.6, bytes of the pickles': bytesOf(legacy, 0, legacy.length - legacyStorages),
  'PyTorch before 1.6, bytes anywhere': bytesOf(legacy),
  'PyTorch, opcodes of the pickle': (next) => single(mutatePickle(pick(next, archives), next)),
  'PyTorch, bytes of the directory': inDirectory(archiveBytes[0]!),
  'PyTorch deflated, bytes anywhere': bytesOf(archiveBytes[1]!),
  'PyTorch ZIP64, bytes of the directory': inDirectory(archiveBytes[2]!),
  'PyTorch, fields of the directory': (next) => single(mutateDirectory(pick(next, archiveBytes), next)),
};
