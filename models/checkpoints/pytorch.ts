import { UserError } from '../../engine/errors.js';
import type { Platform } from '../platform.js';
import { MAX_PICKLE_BYTES, PickleError, PickleGlobal, PickleObject, unpickle } from './pickle.js';
import {
  type Checkpoint,
  DTYPE_BYTES,
  elementCount,
  gather,
  readable,
  rowMajorStrides,
  type StoredDType,
  type StoredTensor,
  storedTensor,
} from './tensors.js';
import { ZipArchive, type ZipEntry } from './zip.js';

const DAMAGED = 'The file is damaged or incomplete: copy or download it again.';

/** Modules are nested by the architecture; a deeper nest than this is a loop. */
const MAX_MODULE_DEPTH = 32;
const MAX_TENSORS = 20_000;

/**
 * Opens what PyTorch has written since 1.6, a ZIP of one pickle and raw storages (spec 4.5): TorchScript archives,
 * state dicts, and trainer checkpoints with a `state_dict` among optimiser and scheduler objects. Only the pickle is
 * read, and nothing in it is executed.
 *
 * @throws UserError naming the file, and the tensor where there is one
 */
export async function openPyTorch(platform: Platform, path: string): Promise<Checkpoint> {
  const zip = await ZipArchive.open(platform, path);
  const folder = findFolder(zip);
  const order = zip.entries.get(`${folder}byteorder`);
  if (order && order.size < 16 && new TextDecoder().decode(await zip.read(order)) === 'big')
    throw new UserError(`${path}: it was written on a big-endian machine`, 'Save it again as safetensors.');
  const root = readObjects(path, await readPickle(zip, zip.entries.get(`${folder}data.pkl`)!));
  const { format, found, metadata } = findTensors(path, root);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of found) tensors.set(name, toStored(zip, folder, name, tensor));
  return { path, format, tensors, metadata };
}

/** Whether a file starts as PyTorch's own format before 1.6 did: a pickled magic number. */
export function isLegacyPyTorch(head: Uint8Array): boolean {
  return [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46].every((byte, i) => head[i] === byte);
}

/** The archive's one top folder, with its slash. */
function findFolder(zip: ZipArchive): string {
  const folders = [...zip.entries.keys()].flatMap((name) => /^([^/]+\/)data\.pkl$/.exec(name)?.[1] ?? []);
  if (folders.length === 1) return folders[0];
  throw new UserError(`${zip.path}: it is a ZIP archive but no PyTorch checkpoint: no data.pkl`, DAMAGED);
}

async function readPickle(zip: ZipArchive, entry: ZipEntry): Promise<Uint8Array> {
  if (entry.size > MAX_PICKLE_BYTES)
    throw new UserError(`${zip.path}: its data.pkl has ${entry.size} bytes, too many`, DAMAGED);
  return zip.read(entry);
}

/** A run of numbers in the archive; several tensors may share one. */
class StorageRef {
  constructor(
    readonly dtype: StoredDType,
    readonly key: string,
    /** In elements. */
    readonly size: number,
  ) {}
}

/** A strided view of a storage; offset and strides count elements. */
class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

const STORAGES: Readonly<Record<string, StoredDType>> = {
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  DoubleStorage: 'F64',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

function readObjects(path: string, pickle: Uint8Array): unknown {
  try {
    return unpickle(pickle, { call, persistent });
  } catch (error) {
    if (error instanceof PickleError)
      throw new UserError(`${path}: ${readable(`its data.pkl ${error.message}`)}`, DAMAGED);
    throw error;
  }
}

/** The whole list of what a pickle can make; anything else becomes an opaque object. */
function call(callee: PickleGlobal, args: readonly unknown[]): unknown {
  switch (`${callee.module}.${callee.name}`) {
    case 'collections.OrderedDict':
    case 'collections.defaultdict':
      return new Map();
    case 'torch.Size':
      return args[0];
    case 'torch._utils._rebuild_parameter':
    case 'torch._utils._rebuild_parameter_with_state':
      return args[0];
    case 'torch._utils._rebuild_tensor':
    case 'torch._utils._rebuild_tensor_v2':
      return rebuildTensor(args);
    default:
      return new PickleObject(callee);
  }
}

function rebuildTensor([storage, offset, shape, strides]: readonly unknown[]): TensorRef {
  const valid =
    storage instanceof StorageRef &&
    isSize(offset) &&
    isSizes(shape) &&
    isSizes(strides) &&
    shape.length === strides.length;
  if (!valid) throw new PickleError('describes a tensor wrongly');
  return new TensorRef(storage, offset, shape, strides);
}

/** `('storage', torch.HalfStorage, key, device, size)`; the device is of no interest. */
function persistent(id: unknown): StorageRef {
  const [tag, type, key, , size] = Array.isArray(id) ? id : [];
  const known =
    type instanceof PickleGlobal && Object.hasOwn(STORAGES, type.name) && /^torch\b/.test(type.module);
  if (tag !== 'storage' || !known || typeof key !== 'string' || !isSize(size))
    throw new PickleError(
      `refers to the storage ${type instanceof PickleGlobal ? type.name : ''}, which is unknown`,
    );
  return new StorageRef(STORAGES[type.name], key, size);
}

interface Found {
  readonly format: string;
  readonly found: ReadonlyMap<string, TensorRef>;
  readonly metadata: Record<string, string>;
}

function findTensors(path: string, root: unknown): Found {
  if (root instanceof PickleObject && root.type.module.startsWith('__torch__'))
    return { format: 'TorchScript archive', found: moduleTensors(path, root), metadata: {} };
  if (!(root instanceof Map))
    throw new UserError(
      `${path}: it holds ${root instanceof PickleObject ? readable(`a ${root.type.name}`) : 'no dictionary'}, not a state dict`,
      'Save the weights with torch.save(model.state_dict(), file).',
    );
  const inner = root.get('state_dict');
  return {
    format: inner instanceof Map ? 'PyTorch trainer checkpoint' : 'PyTorch state dict',
    found: stateDict(inner instanceof Map ? inner : root),
    metadata: inner instanceof Map ? scalars(root) : {},
  };
}

function stateDict(dictionary: ReadonlyMap<unknown, unknown>): Map<string, TensorRef> {
  const found = new Map<string, TensorRef>();
  for (const [name, value] of dictionary)
    if (typeof name === 'string' && value instanceof TensorRef) found.set(name, value);
  return found;
}

/** Attribute names on the way to each tensor, joined by dots: the names that `state_dict()` gives. */
function moduleTensors(path: string, root: PickleObject): Map<string, TensorRef> {
  const found = new Map<string, TensorRef>();
  const open = [{ module: root, prefix: '', depth: 0 }];
  for (let visited = 0; open.length > 0; visited++) {
    const { module, prefix, depth } = open.pop()!;
    if (depth > MAX_MODULE_DEPTH || visited > MAX_TENSORS || found.size > MAX_TENSORS)
      throw new UserError(`${path}: its modules are nested without end`, DAMAGED);
    for (const [name, value] of module.attributes) {
      if (value instanceof TensorRef) found.set(`${prefix}${name}`, value);
      else if (value instanceof PickleObject)
        open.push({ module: value, prefix: `${prefix}${name}.`, depth: depth + 1 });
    }
  }
  return found;
}

/** Epoch, score and the like. */
function scalars(dictionary: ReadonlyMap<unknown, unknown>): Record<string, string> {
  const simple = [...dictionary].filter(([, value]) =>
    ['string', 'number', 'boolean'].includes(typeof value),
  );
  return Object.fromEntries(simple.map(([name, value]) => [String(name), String(value)]));
}

/** Checks the view against its storage, and reads no more of the file than the view spans. */
function toStored(zip: ZipArchive, folder: string, name: string, tensor: TensorRef): StoredTensor {
  const { storage, offset, shape, strides } = tensor;
  const { dtype } = storage;
  const fail = (problem: string): never => {
    throw new UserError(`${zip.path}: ${readable(`tensor "${name}" ${problem}`)}`, DAMAGED);
  };
  const item = DTYPE_BYTES[dtype];
  const entry =
    zip.entries.get(`${folder}data/${storage.key}`) ?? fail(`has no data: "data/${storage.key}" is missing`);
  const count = elementCount(shape);
  const span = count === 0 ? 0 : shape.reduce((last, size, axis) => last + (size - 1) * strides[axis], 1);
  if (entry.size !== storage.size * item)
    fail(`needs a storage of ${storage.size * item} bytes, but "data/${storage.key}" has ${entry.size}`);
  if (offset + span > storage.size) fail(`of shape [${shape.join(', ')}] reaches beyond its storage`);
  // Strides of zero would let a few bytes become any amount of memory.
  if (count > storage.size) fail(`of shape [${shape.join(', ')}] repeats its ${storage.size} numbers`);
  const dense = rowMajorStrides(shape);
  const isDense = shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]);
  const bytes = async () => {
    const raw = await zip.readRange(entry, offset * item, span * item);
    return isDense ? raw : gather(raw, shape, strides, item);
  };
  return storedTensor({ name, dtype, shape, bytes, fail });
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isSize);
}
