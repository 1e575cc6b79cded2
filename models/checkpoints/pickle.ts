/**
 * Reads pickles of protocol 2 to 5 as data (Python's Lib/pickletools.py describes every opcode). Nothing is executed or
 * imported: a class or function is only its name, and what it makes is decided by the reader's own `call`.
 */

/** A class or function that a pickle names. */
export class PickleGlobal {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}
}

/** An instance of a class that we know nothing about: its class's name and its state. */
export class PickleObject {
  /** Attributes by name, where the state is a dictionary. */
  readonly attributes = new Map<unknown, unknown>();
  constructor(readonly type: PickleGlobal) {}
}

export interface PickleHooks {
  /** Result of a class or function; a `PickleObject` for those that are not on the reader's list. */
  call(callee: PickleGlobal, args: readonly unknown[]): unknown;
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
}

/** A pickle that breaks the format or a limit; the caller knows the file and makes a `UserError` of it. */
export class PickleError extends Error {}

/** The pickle of a large trainer checkpoint has 1 MB: its tensors lie elsewhere. */
export const MAX_PICKLE_BYTES = 16 * 2 ** 20;
/**
 * One byte can make a list, dictionary or object, push a value or remember one, which takes ten to two hundred times as
 * much memory. A trainer checkpoint of ViT-L/14 has 5,000 objects, 15,000 values and 10,000 memories.
 */
const MAX_OBJECTS = 100_000;
const MAX_VALUES = 250_000;
const MAX_MEMORIES = 150_000;
const MAX_MARKS = 1000;
const MAX_LONG_BYTES = 32;

const ONE_BYTE_SIZES = new Set([0x8c, 0x55, 0x43, 0x71, 0x68]);
const EIGHT_BYTE_SIZES = new Set([0x8d, 0x8e, 0x96]);

/**
 * The value of a pickle: None is null; ints are numbers, or bigints beyond 2^53; lists, tuples and sets are arrays;
 * dictionaries are Maps; bytes are null.
 * @throws PickleError
 */
export function unpickle(bytes: Uint8Array, hooks: PickleHooks): unknown {
  if (bytes.length > MAX_PICKLE_BYTES)
    throw new PickleError(`has ${bytes.length} bytes of objects, too many`);
  return new Unpickler(bytes, 0, hooks).run();
}

/** The same for one of several pickles in a row, with the place behind it. */
export function unpickleAt(
  bytes: Uint8Array,
  start: number,
  hooks: PickleHooks,
): { value: unknown; end: number } {
  const reader = new Unpickler(bytes, start, hooks);
  const value = reader.run();
  return { value, end: reader.at };
}

class Unpickler {
  private readonly view: DataView;
  private readonly text = new TextDecoder();
  private readonly memo = new Map<number, unknown>();
  private readonly stack: unknown[] = [];
  private readonly marks: number[] = [];
  private objects = 0;
  private values = 0;

  constructor(
    private readonly bytes: Uint8Array,
    /** Position of the next byte. */
    public at: number,
    private readonly hooks: PickleHooks,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): unknown {
    if (this.at < this.bytes.length && this.bytes[this.at] !== 0x80)
      throw new PickleError('does not start as a pickle of protocol 2 or later');
    for (;;) {
      const opcode = this.bytes[this.take(1)];
      if (opcode === 0x2e) return this.pop();
      if (!(this.constant(opcode) || this.container(opcode) || this.object(opcode)))
        throw new PickleError(`has the unknown opcode ${opcode} at byte ${this.at - 1}`);
    }
  }

  /** Opcodes that push a value of their own or move values; false when it is none of them. */
  private constant(opcode: number): boolean {
    const { view } = this;
    switch (opcode) {
      case 0x80: // PROTO
        if (![2, 3, 4, 5].includes(this.bytes[this.take(1)]))
          throw new PickleError('is not of protocol 2 to 5');
        return true;
      case 0x95: // FRAME: only a hint for readers of streams
        this.take(8);
        return true;
      case 0x4e: // NONE
        return this.push(null);
      case 0x88: // NEWTRUE
        return this.push(true);
      case 0x89: // NEWFALSE
        return this.push(false);
      case 0x4b: // BININT1
        return this.push(view.getUint8(this.take(1)));
      case 0x4d: // BININT2
        return this.push(view.getUint16(this.take(2), true));
      case 0x4a: // BININT
        return this.push(view.getInt32(this.take(4), true));
      case 0x47: // BINFLOAT, the only big-endian one
        return this.push(view.getFloat64(this.take(8), false));
      case 0x8a: // LONG1
        return this.push(this.long(view.getUint8(this.take(1))));
      case 0x8b: // LONG4
        return this.push(this.long(view.getInt32(this.take(4), true)));
      case 0x8c: // SHORT_BINUNICODE, SHORT_BINSTRING, BINUNICODE, BINSTRING, BINUNICODE8
      case 0x55:
      case 0x58:
      case 0x54:
      case 0x8d:
        return this.push(this.text.decode(this.slice(this.size(opcode))));
      case 0x43: // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
      case 0x42:
      case 0x8e:
      case 0x96:
        // Of no use here, and a view of bytes takes more memory than most of them.
        this.take(this.size(opcode));
        return this.push(null);
      case 0x71: // BINPUT, LONG_BINPUT
      case 0x72:
        return this.remember(this.size(opcode));
      case 0x94: // MEMOIZE
        return this.remember(this.memo.size);
      case 0x68: // BINGET, LONG_BINGET
      case 0x6a:
        return this.recall(this.size(opcode));
      case 0x30: // POP
        this.pop();
        return true;
      case 0x31: // POP_MARK
        this.popMark();
        return true;
      case 0x32: // DUP
        return this.push(this.top());
      default:
        return false;
    }
  }

  /** Lists, tuples, sets and dictionaries. */
  private container(opcode: number): boolean {
    switch (opcode) {
      case 0x28: // MARK
        if (this.marks.push(this.stack.length) > MAX_MARKS) throw new PickleError('is nested too deeply');
        return true;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
      case 0x8f: // EMPTY_SET
        return this.made([]);
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.made(this.popMany(opcode - 0x84));
      case 0x74: // TUPLE
      case 0x6c: // LIST
      case 0x91: // FROZENSET
        return this.made(this.popMark());
      case 0x7d: // EMPTY_DICT
        return this.made(new Map());
      case 0x64: // DICT
        this.made(new Map());
        return this.setItems(this.popMark(1));
      case 0x61: // APPEND
        return this.extend(this.popMany(1));
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        return this.extend(this.popMark());
      case 0x73: // SETITEM
        return this.setItems(this.popMany(2));
      case 0x75: // SETITEMS
        return this.setItems(this.popMark());
      default:
        return false;
    }
  }

  /** Names, calls, instances. */
  private object(opcode: number): boolean {
    switch (opcode) {
      case 0x63: // GLOBAL
        return this.made(new PickleGlobal(this.line(), this.line()));
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw new PickleError('names no class');
        return this.made(new PickleGlobal(module, name));
      }
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        return this.call(2);
      case 0x92: // NEWOBJ_EX, whose keyword arguments we need nowhere
        return this.call(3);
      case 0x62: // BUILD
        return this.build(this.pop());
      case 0x51: // BINPERSID
        return this.made(this.hooks.persistent(this.pop()));
      default:
        return false;
    }
  }

  private call(operands: number): boolean {
    const [callee, args] = this.popMany(operands);
    if (!(callee instanceof PickleGlobal)) throw new PickleError('calls what is no name');
    if (!Array.isArray(args)) throw new PickleError(`calls ${callee.name} without arguments`);
    return this.made(this.hooks.call(callee, args));
  }

  /** State of an object; that of dictionaries and tensors carries nothing that we need. */
  private build(state: unknown): boolean {
    const target = this.top();
    // (dictionary, slots) is the other form that Python writes.
    const fields = Array.isArray(state) ? state[0] : state;
    if (target instanceof PickleObject && fields instanceof Map)
      for (const [name, value] of fields) target.attributes.set(name, value);
    return true;
  }

  private setItems(items: readonly unknown[]): boolean {
    const target = this.top();
    if (items.length % 2 !== 0) throw new PickleError('has a key without a value');
    if (target instanceof Map) for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
    else if (!(target instanceof PickleObject))
      throw new PickleError('sets an item of what is no dictionary');
    return true;
  }

  private extend(items: readonly unknown[]): boolean {
    const target = this.top();
    if (Array.isArray(target)) for (const item of items) target.push(item);
    else if (!(target instanceof PickleObject)) throw new PickleError('appends to what is no list');
    return true;
  }

  private push(value: unknown): true {
    if (++this.values > MAX_VALUES) throw new PickleError('holds too many values');
    this.stack.push(value);
    return true;
  }

  private made(value: unknown): true {
    if (++this.objects > MAX_OBJECTS) throw new PickleError('holds too many objects');
    return this.push(value);
  }

  private top(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw new PickleError('takes from an empty stack');
    return this.stack[this.stack.length - 1];
  }

  private pop(): unknown {
    this.top();
    return this.stack.pop();
  }

  private popMany(count: number): unknown[] {
    if (this.stack.length - count < (this.marks.at(-1) ?? 0))
      throw new PickleError('takes from an empty stack');
    return this.stack.splice(this.stack.length - count);
  }

  /** Everything above the last mark, leaving out `above` values that were pushed since. */
  private popMark(above = 0): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw new PickleError('has no mark');
    return this.stack.splice(mark, this.stack.length - mark - above);
  }

  private remember(key: number): true {
    this.memo.set(key, this.top());
    if (this.memo.size > MAX_MEMORIES) throw new PickleError('remembers too many values');
    return true;
  }

  private recall(key: number): true {
    if (!this.memo.has(key)) throw new PickleError(`recalls the entry ${key} that it never stored`);
    return this.push(this.memo.get(key));
  }

  /** Position of the next `count` bytes, which are then behind us. */
  private take(count: number): number {
    const start = this.at;
    if (start + count > this.bytes.length) throw new PickleError('ends too early');
    this.at += count;
    return start;
  }

  private slice(count: number): Uint8Array {
    const start = this.take(count);
    return this.bytes.subarray(start, start + count);
  }

  /** The length or memo key after an opcode, in as many bytes as the opcode says. */
  private size(opcode: number): number {
    if (ONE_BYTE_SIZES.has(opcode)) return this.view.getUint8(this.take(1));
    if (EIGHT_BYTE_SIZES.has(opcode)) return Number(this.view.getBigUint64(this.take(8), true));
    return this.view.getUint32(this.take(4), true);
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleError('ends too early');
    const line = this.text.decode(this.slice(end - this.at));
    this.at++;
    return line;
  }

  /** Little-endian two's complement of any length. */
  private long(count: number): number | bigint {
    if (count < 0 || count > MAX_LONG_BYTES) throw new PickleError(`has an integer of ${count} bytes`);
    let value = 0n;
    for (const byte of this.slice(count).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * count, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
}
