/**
 * Reads pickles of protocol 2 to 5 as data (Python's Lib/pickletools.py describes every opcode). Nothing is executed or
 * imported: a class or function is only its name, and what it makes is decided by the reader's own `call`.
 */
import { PickleMachine } from './pickleMachine.js';
import { MAX_PICKLE_BYTES, PickleError, PickleGlobal, type PickleHooks } from './pickleObjects.js';

/**
 * The value of a pickle: None is null; ints are numbers, or bigints beyond 2^53; lists, tuples and sets are arrays;
 * dictionaries are Maps; bytes are null.
 *
 * @throws PickleError
 */
export function unpickle(bytes: Uint8Array, hooks: PickleHooks): unknown {
  if (bytes.length > MAX_PICKLE_BYTES)
    throw new PickleError(`has ${bytes.length} bytes of objects, too many`);
  return unpickleAt(bytes, 0, hooks).value;
}

/** The same for the pickle at `start`, one of several in a row; `end` is the byte after it. @throws PickleError */
export function unpickleAt(
  bytes: Uint8Array,
  start: number,
  hooks: PickleHooks,
): { value: unknown; end: number } {
  const machine = new PickleMachine(bytes, start, hooks);
  if (start < bytes.length && bytes[start] !== PROTO)
    throw new PickleError('does not start as a pickle of protocol 2 or later');
  for (;;) {
    const opcode = machine.unsigned(1);
    if (opcode === STOP) return { value: machine.pop(), end: machine.at };
    const run = OPCODES.get(opcode);
    if (!run) throw new PickleError(`has the unknown opcode ${opcode} at byte ${machine.at - 1}`);
    run(machine);
  }
}

const PROTO = 0x80;
const STOP = 0x2e;

type Operation = (machine: PickleMachine) => void;

const text =
  (size: 1 | 4 | 8): Operation =>
  (m) =>
    m.push(m.text(m.unsigned(size)));

/** Bytes are of no use here, and a view of them takes more memory than most of them. */
const skipBytes =
  (size: 1 | 4 | 8): Operation =>
  (m) => {
    m.skip(m.unsigned(size));
    m.push(null);
  };

const emptyList: Operation = (m) => m.pushObject([]);
const listOfMarked: Operation = (m) => m.pushObject(m.popMark());
const extendByMarked: Operation = (m) => m.extend(m.popMark());

const OPCODES: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [PROTO, protocol],
  [0x95, (m) => void m.skip(8)], // FRAME, a hint for readers of streams
  // Constants.
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4b, (m) => m.push(m.unsigned(1))], // BININT1
  [0x4d, (m) => m.push(m.unsigned(2))], // BININT2
  [0x4a, (m) => m.push(m.int())], // BININT
  [0x47, (m) => m.push(m.float())], // BINFLOAT
  [0x8a, (m) => m.push(m.long(m.unsigned(1)))], // LONG1
  [0x8b, (m) => m.push(m.long(m.int()))], // LONG4
  [0x8c, text(1)], // SHORT_BINUNICODE
  [0x55, text(1)], // SHORT_BINSTRING
  [0x58, text(4)], // BINUNICODE
  [0x54, text(4)], // BINSTRING
  [0x8d, text(8)], // BINUNICODE8
  [0x43, skipBytes(1)], // SHORT_BINBYTES
  [0x42, skipBytes(4)], // BINBYTES
  [0x8e, skipBytes(8)], // BINBYTES8
  [0x96, skipBytes(8)], // BYTEARRAY8
  // Memo and stack.
  [0x71, (m) => m.remember(m.unsigned(1))], // BINPUT
  [0x72, (m) => m.remember(m.unsigned(4))], // LONG_BINPUT
  [0x94, (m) => m.remember()], // MEMOIZE
  [0x68, (m) => m.recall(m.unsigned(1))], // BINGET
  [0x6a, (m) => m.recall(m.unsigned(4))], // LONG_BINGET
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP
  // Lists, tuples, sets and dictionaries.
  [0x5d, emptyList], // EMPTY_LIST
  [0x29, emptyList], // EMPTY_TUPLE
  [0x8f, emptyList], // EMPTY_SET
  [0x85, (m) => m.pushObject(m.popMany(1))], // TUPLE1
  [0x86, (m) => m.pushObject(m.popMany(2))], // TUPLE2
  [0x87, (m) => m.pushObject(m.popMany(3))], // TUPLE3
  [0x74, listOfMarked], // TUPLE
  [0x6c, listOfMarked], // LIST
  [0x91, listOfMarked], // FROZENSET
  [0x61, (m) => m.extend(m.popMany(1))], // APPEND
  [0x65, extendByMarked], // APPENDS
  [0x90, extendByMarked], // ADDITEMS
  [0x7d, (m) => m.pushObject(new Map())], // EMPTY_DICT
  [0x64, dictionary], // DICT
  [0x73, (m) => m.setItems(m.popMany(2))], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS
  // Names, calls, instances.
  [0x63, (m) => m.pushObject(new PickleGlobal(m.line(), m.line()))], // GLOBAL
  [0x93, globalOfStack], // STACK_GLOBAL
  [0x52, (m) => m.call(2)], // REDUCE
  [0x81, (m) => m.call(2)], // NEWOBJ
  [0x92, (m) => m.call(3)], // NEWOBJ_EX, whose keyword arguments nothing needs
  [0x62, (m) => m.build()], // BUILD
  [0x51, (m) => m.persistent()], // BINPERSID
]);

function protocol(m: PickleMachine): void {
  if (![2, 3, 4, 5].includes(m.unsigned(1))) throw new PickleError('is not of protocol 2 to 5');
}

function dictionary(m: PickleMachine): void {
  m.pushObject(new Map());
  m.setItems(m.popMark(1));
}

function globalOfStack(m: PickleMachine): void {
  const [module, name] = m.popMany(2);
  if (typeof module !== 'string' || typeof name !== 'string') throw new PickleError('names no class');
  m.pushObject(new PickleGlobal(module, name));
}
