/**
 * Writes what `torch.load` reads: a ZIP archive with one pickle (protocol 2) and a raw file for each tensor's storage.
 * Source: torch/serialization.py and caffe2/serialize/inline_container.cc; the few pickle opcodes that are used are
 * on the list that `weights_only=True` allows.
 */
import { elementCount, rowMajorStrides } from '../tensors.js';
import { bytesOf, valuesOf, type WritableDType, type WritableTensor } from '../writable.js';
import { ZipWriter } from '../zipWriter.js';

const STORAGES: Readonly<Record<WritableDType, string>> = {
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  I64: 'LongStorage',
};

/** Format version of PyTorch's archives since 1.6. */
const VERSION = '3\n';

/**
 * A trainer checkpoint: a dictionary of `state_dict` and the given scalars. The values of one tensor at a time are in
 * memory.
 *
 * @param scalars further entries of the dictionary, such as `epoch`; null is None; integers stay integers
 */
export async function* pytorchCheckpoint(
  tensors: readonly WritableTensor[],
  scalars: Readonly<Record<string, string | number | null>>,
): AsyncGenerator<Uint8Array> {
  const zip = new ZipWriter();
  const text = (value: string) => new TextEncoder().encode(value);
  const root = dictionary([
    ['state_dict', orderedDictionary(tensors.map((tensor, i) => [tensor.name, tensorOf(tensor, i)]))],
    ...Object.entries(scalars).map(([key, value]): Entry => [key, scalar(value)]),
  ]);
  yield* zip.entry('archive/data.pkl', Uint8Array.from([0x80, 2, ...root, 0x2e]));
  yield* zip.entry('archive/byteorder', text('little'));
  for (const [i, tensor] of tensors.entries()) yield* zip.entry(`archive/data/${i}`, await valuesOf(tensor));
  yield* zip.entry('archive/version', text(VERSION));
  yield* zip.end();
}

/** Opcodes of one value: pushes it on the unpickler's stack. */
type Opcodes = readonly number[];
type Entry = readonly [string, Opcodes];

const MARK = 0x28;

function string(value: string): Opcodes {
  const utf8 = new TextEncoder().encode(value);
  return [0x58, ...bytesOf(Int32Array.of(utf8.length)), ...utf8];
}

function integer(value: number): Opcodes {
  if (value >= 0 && value < 2 ** 8) return [0x4b, value];
  if (value >= -(2 ** 31) && value < 2 ** 31) return [0x4a, ...bytesOf(Int32Array.of(value))];
  // LONG1 of 8 bytes.
  return [0x8a, 8, ...bytesOf(BigInt64Array.of(BigInt(value)))];
}

/** The only operand that is big-endian. */
const float = (value: number): Opcodes => [0x47, ...bytesOf(Float64Array.of(value)).reverse()];

function scalar(value: string | number | null): Opcodes {
  if (value === null) return [0x4e];
  if (typeof value === 'string') return string(value);
  return Number.isSafeInteger(value) ? integer(value) : float(value);
}

const tuple = (items: readonly Opcodes[]): Opcodes => [MARK, ...items.flat(), 0x74];
const global = (module: string, name: string): Opcodes => [
  0x63,
  ...new TextEncoder().encode(`${module}\n${name}\n`),
];
const entriesOf = (entries: readonly Entry[]): Opcodes => [
  MARK,
  ...entries.flatMap(([key, value]) => [...string(key), ...value]),
  0x75,
];
const dictionary = (entries: readonly Entry[]): Opcodes => [0x7d, ...entriesOf(entries)];
const EMPTY_ORDERED: Opcodes = [...global('collections', 'OrderedDict'), 0x29, 0x52];
const orderedDictionary = (entries: readonly Entry[]): Opcodes => [...EMPTY_ORDERED, ...entriesOf(entries)];

/** `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)`. */
function tensorOf({ dtype, shape }: WritableTensor, index: number): Opcodes {
  const storage = tuple([
    string('storage'),
    global('torch', STORAGES[dtype]),
    string(String(index)),
    string('cpu'),
    integer(elementCount(shape)),
  ]);
  const args = tuple([
    [...storage, 0x51],
    integer(0),
    tuple(shape.map(integer)),
    tuple(rowMajorStrides(shape).map(integer)),
    [0x89],
    EMPTY_ORDERED,
  ]);
  return [...global('torch._utils', '_rebuild_tensor_v2'), ...args, 0x52];
}
