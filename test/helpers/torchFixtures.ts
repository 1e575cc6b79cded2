/** Writes what only PyTorch writes: archives, pickles and the old form. */
import { deflateRawSync } from 'node:zlib';
import { Float16Array } from '@petamoriken/float16';
import { crc32 } from '../../formats/crc32.js';
import type { FixtureTensor } from './tinyClip.js';

export interface ZipOptions {
  readonly deflate?: boolean;
  /** Writes all sizes and offsets as ZIP64. */
  readonly wide?: boolean;
}

/** A ZIP archive with a central directory. */
export function writeZip(files: ReadonlyMap<string, Uint8Array>, options: ZipOptions = {}): Uint8Array {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [name, data] of files) {
    const packed = options.deflate ? deflateRawSync(data) : data;
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(45, 0);
    shared.writeUInt16LE(options.deflate ? 8 : 0, 4);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt32LE(options.wide ? 0xffffffff : packed.length, 14);
    shared.writeUInt32LE(options.wide ? 0xffffffff : data.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const extra = options.wide ? u64Field(data.length, packed.length, at) : Buffer.alloc(0);
    const offset = Buffer.alloc(14);
    offset.writeUInt32LE(options.wide ? 0xffffffff : at, 10);
    const directoryHead = Buffer.from(shared);
    directoryHead.writeUInt16LE(extra.length, 24);
    central.push(text('PK\x01\x02\x2d\x00'), directoryHead, offset, text(name), extra);
    const local = [text('PK\x03\x04'), shared, text(name), Buffer.from(packed)];
    parts.push(...local);
    at += local.reduce((sum, part) => sum + part.length, 0);
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.size, 10);
  end.writeUInt32LE(options.wide ? 0xffffffff : directory.length, 12);
  end.writeUInt32LE(options.wide ? 0xffffffff : at, 16);
  const wideEnd = options.wide ? end64(files.size, directory.length, at) : Buffer.alloc(0);
  return Uint8Array.from(Buffer.concat([...parts, directory, wideEnd, end]));
}

function u64Field(...values: number[]): Buffer {
  const field = Buffer.alloc(4 + 8 * values.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * values.length, 2);
  for (const [i, value] of values.entries()) field.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  return field;
}

function end64(count: number, size: number, offset: number): Buffer {
  const out = Buffer.alloc(56 + 20);
  out.write('PK\x06\x06', 'latin1');
  for (const [at, value] of [
    [32, count],
    [40, size],
    [48, offset],
  ] as const)
    out.writeBigUInt64LE(BigInt(value), at);
  out.write('PK\x06\x07', 56, 'latin1');
  out.writeBigUInt64LE(BigInt(offset + size), 64);
  return out;
}

function text(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}

/** Pickle opcodes as byte strings, enough to write what PyTorch writes (protocol 2). */
export const pickle = {
  string: (value: string) => Buffer.concat([text('X'), u32(Buffer.byteLength(value)), Buffer.from(value)]),
  int: (value: number) => Buffer.concat([text('J'), u32(value)]),
  global: (module: string, name: string) => text(`c${module}\n${name}\n`),
  tuple: (...items: Buffer[]) => Buffer.concat([text('('), ...items, text('t')]),
  dict: (entries: readonly (readonly [string, Buffer])[]) =>
    Buffer.concat([text('}('), ...entries.flatMap(([key, value]) => [pickle.string(key), value]), text('u')]),
  call: (module: string, name: string, args: Buffer) =>
    Buffer.concat([pickle.global(module, name), args, text('R')]),
  /** An instance with attributes, as modules and optimisers are written. */
  instance: (module: string, name: string, entries: readonly (readonly [string, Buffer])[]) =>
    Buffer.concat([pickle.global(module, name), text(')\x81'), pickle.dict(entries), text('b')]),
  file: (value: Buffer) => Uint8Array.from(Buffer.concat([text('\x80\x02'), value, text('.')])),
};

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeInt32LE(value);
  return out;
}

/** How a tensor lies in its storage; row-major at 0 unless given. */
export interface Layout {
  readonly offset?: number;
  readonly strides?: readonly number[];
  readonly storage: string;
  readonly count: number;
  readonly type?: string;
  /** Adds the view into another storage that the old form has, which is None. */
  readonly view?: boolean;
}

export function torchTensor(shape: readonly number[], layout: Layout): Buffer {
  const { offset = 0, storage, count, type = 'HalfStorage', view = false } = layout;
  const strides = layout.strides ?? shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const id = pickle.tuple(
    pickle.string('storage'),
    pickle.global('torch', type),
    pickle.string(storage),
    pickle.string('cuda:0'),
    pickle.int(count),
    ...(view ? [text('N')] : []),
  );
  const args = [
    Buffer.concat([id, text('Q')]),
    pickle.int(offset),
    pickle.tuple(...shape.map(pickle.int)),
    pickle.tuple(...strides.map(pickle.int)),
    text('\x89'),
    pickle.call('collections', 'OrderedDict', text(')')),
  ];
  return pickle.call('torch._utils', '_rebuild_tensor_v2', pickle.tuple(...args));
}

export function halfBytes(values: ArrayLike<number>): Uint8Array {
  return new Uint8Array(Float16Array.from(values).buffer);
}

/** What `torch.save` writes of a state dict; with `trainer`, inside a checkpoint with an optimiser object. */
export function writeTorch(
  tensors: readonly FixtureTensor[],
  trainer = false,
  zip: ZipOptions = {},
): Uint8Array {
  return writeZip(torchFiles(tensors, trainer), zip);
}

/** The files in its archive, `archive/data.pkl` first. */
export function torchFiles(tensors: readonly FixtureTensor[], trainer = false): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const entries = tensors.map((tensor, i): [string, Buffer] => {
    files.set(`archive/data/${i}`, halfBytes(tensor.data));
    return [tensor.name, torchTensor(tensor.shape, { storage: String(i), count: tensor.data.length })];
  });
  const optimizer = pickle.instance('torch.optim.sgd', 'SGD', [['lr', pickle.int(1)]]);
  const root = trainer
    ? pickle.dict([
        ['state_dict', pickle.dict(entries)],
        ['epoch', pickle.int(20)],
        ['optimizer', optimizer],
      ])
    : pickle.dict(entries);
  return new Map([['archive/data.pkl', pickle.file(root)], ...files]);
}

/** The same in PyTorch's form before 1.6: pickles, then storages behind their lengths. */
export function writeLegacyTorch(tensors: readonly FixtureTensor[]): Uint8Array {
  const entries = tensors.map((tensor, i): [string, Buffer] => [
    tensor.name,
    torchTensor(tensor.shape, { storage: String(i), count: tensor.data.length, view: true }),
  ]);
  const magic = Buffer.from([0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
  const names = Buffer.concat([text(']('), ...tensors.map((_, i) => pickle.string(String(i))), text('e')]);
  const pickles = [
    magic,
    pickle.int(1001),
    pickle.dict([['little_endian', text('\x88')]]),
    pickle.dict(entries),
    names,
  ];
  const storages = tensors.flatMap(({ data }) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(data.length));
    return [length, halfBytes(data)];
  });
  return Uint8Array.from(Buffer.concat([...pickles.map(pickle.file), ...storages]));
}

/** A TorchScript archive: nested module objects whose attribute names make the tensor names. */
export function writeTorchScript(tensors: readonly FixtureTensor[]): Uint8Array {
  return writeZip(torchScriptFiles(tensors));
}

export function torchScriptFiles(tensors: readonly FixtureTensor[]): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const module = (members: readonly { path: string[]; tensor: FixtureTensor }[]): Buffer => {
    const groups = new Map<string, { path: string[]; tensor: FixtureTensor }[]>();
    for (const { path, tensor } of members) {
      const group = groups.get(path[0]!) ?? [];
      group.push({ path: path.slice(1), tensor });
      groups.set(path[0]!, group);
    }
    const entries = [...groups].map(([name, group]): [string, Buffer] => {
      if (group[0]!.path.length > 0) return [name, module(group)];
      const { shape, data } = group[0]!.tensor;
      const storage = String(files.size);
      files.set(`clip/data/${storage}`, halfBytes(data));
      return [name, torchTensor(shape, { storage, count: data.length })];
    });
    return pickle.instance('__torch__.___torch_mangle_7', 'Node', [...entries, ['training', text('\x88')]]);
  };
  const root = module(tensors.map((tensor) => ({ path: tensor.name.split('.'), tensor })));
  return new Map([['clip/data.pkl', pickle.file(root)], ...files]);
}
