/** The objects that PyTorch pickles, whatever the file around them: storages, tensors, state dicts, modules. */
import { fileError } from '../fileErrors.js';
import { isSize, isSizes } from '../json.js';
import {
  type Checkpoint,
  DTYPE_BYTES,
  elementCount,
  gather,
  rowMajorStrides,
  type StoredDType,
  type StoredTensor,
  storedTensor,
} from '../tensors.js';
import { PickleError, PickleGlobal, type PickleHooks, PickleObject } from './pickleObjects.js';

/** Modules are nested by the architecture; a deeper nest than this is a loop. */
const MAX_MODULE_DEPTH = 32;
const MAX_TENSORS = 20_000;

/** Where the numbers are. */
export interface Storages {
  /** Bytes of the storage called `key`; undefined when there is none. */
  size(key: string): number | undefined;
  read(key: string, offset: number, length: number): Promise<Uint8Array>;
  /** Whether `read` reads no more than it is asked for. */
  readsParts(key: string): boolean;
}

/** What `unpickle` needs to read PyTorch's objects; `onStorage` hears of every storage that a pickle names. */
export const torchHooks = (onStorage: (storage: StorageRef) => void = () => {}): PickleHooks => ({
  call,
  persistent: (id) => {
    const storage = persistent(id);
    onStorage(storage);
    return storage;
  },
});

/** Names the file in what is wrong with its pickle. */
export function readPickled<T>(path: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof PickleError ? fileError(path, `${what} ${error.message}`) : error;
  }
}

/** The tensors of what was pickled. @throws UserError naming the file, and the tensor where there is one */
export function checkpointOf(path: string, root: unknown, storages: Storages): Checkpoint {
  const { format, found, metadata } = findTensors(path, root);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of found) tensors.set(name, toStored(path, storages, name, tensor));
  return { path, format, tensors, metadata };
}

/** A run of numbers in the file; several tensors may share one. */
export class StorageRef {
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

/**
 * `('storage', torch.HalfStorage, key, device, size)`; the device is of no interest. Before 1.6 a sixth one could make a
 * storage a part of another.
 */
function persistent(id: unknown): StorageRef {
  const [tag, type, key, , size, view] = Array.isArray(id) ? id : [];
  const name = type instanceof PickleGlobal ? type.name : '';
  const dtype = Object.hasOwn(STORAGES, name) && /^torch\b/.test(type.module) ? STORAGES[name] : undefined;
  if (tag !== 'storage' || !dtype || typeof key !== 'string' || !isSize(size))
    throw new PickleError(`refers to the storage ${name}, which is unknown`);
  if (view != null) throw new PickleError('has a storage inside another, as PyTorch wrote before 0.4');
  return new StorageRef(dtype, key, size);
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
    throw fileError(
      path,
      `it holds ${root instanceof PickleObject ? `a ${root.type.name}` : 'no dictionary'}, not a state dict`,
      'save the weights with torch.save(model.state_dict(), file)',
    );
  const inner = root.get('state_dict');
  if (inner instanceof Map)
    return { format: 'PyTorch trainer checkpoint', found: stateDict(inner), metadata: scalars(root) };
  return { format: 'PyTorch state dict', found: stateDict(root), metadata: {} };
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
      throw fileError(path, 'its modules are nested without end');
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
function toStored(path: string, storages: Storages, name: string, tensor: TensorRef): StoredTensor {
  const { storage, offset, shape, strides } = tensor;
  const { dtype } = storage;
  const fail = (problem: string, hint?: string): never => {
    throw fileError(path, `tensor "${name}" ${problem}`, hint);
  };
  const item = DTYPE_BYTES[dtype];
  const bytesThere = storages.size(storage.key) ?? fail(`has no data: "data/${storage.key}" is missing`);
  const count = elementCount(shape);
  const span = count === 0 ? 0 : shape.reduce((last, size, axis) => last + (size - 1) * strides[axis]!, 1);
  if (bytesThere !== storage.size * item)
    fail(`needs a storage of ${storage.size * item} bytes, but "data/${storage.key}" has ${bytesThere}`);
  if (offset + span > storage.size) fail(`of shape [${shape.join(', ')}] reaches beyond its storage`);
  // Strides of zero would let a few bytes become any amount of memory.
  if (count > storage.size) fail(`of shape [${shape.join(', ')}] repeats its ${storage.size} numbers`);
  const dense = rowMajorStrides(shape);
  const isDense = shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]);
  const bytes = async () => {
    const raw = await storages.read(storage.key, offset * item, span * item);
    return isDense ? raw : gather(raw, shape, strides, item);
  };
  const range = (at: number, length: number) => storages.read(storage.key, offset * item + at, length);
  const readsParts = isDense && storages.readsParts(storage.key);
  return storedTensor({ name, dtype, shape, bytes, range: readsParts ? range : undefined, fail });
}
