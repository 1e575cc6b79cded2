/** The stack machine of pickles: reads operands, and holds stack, marks and memo within limits. */
import { MOST, PickleError, PickleGlobal, type PickleHooks, PickleObject } from './pickleObjects.js';

/** One pickle on its way. All methods throw `PickleError` where the pickle breaks the format or a limit. */
export class PickleMachine {
  private readonly view: DataView;
  private readonly decoder = new TextDecoder();
  private readonly memo = new Map<number, unknown>();
  private readonly stack: unknown[] = [];
  private readonly marks: number[] = [];
  private objects = 0;
  private values = 0;

  /** @param at position of the next byte */
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly hooks: PickleHooks,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** An unsigned little-endian integer of 1, 2, 4 or 8 bytes. */
  unsigned(size: 1 | 2 | 4 | 8): number {
    const { view } = this;
    const at = this.skip(size);
    if (size === 1) return view.getUint8(at);
    if (size === 2) return view.getUint16(at, true);
    return size === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
  }

  /** A little-endian int32. */
  int(): number {
    return this.view.getInt32(this.skip(4), true);
  }

  /** A float64, the only big-endian operand. */
  float(): number {
    return this.view.getFloat64(this.skip(8), false);
  }

  /** Little-endian two's complement of `count` bytes. */
  long(count: number): number | bigint {
    if (count < 0 || count > MOST.bytesOfInteger) throw new PickleError(`has an integer of ${count} bytes`);
    let value = 0n;
    for (const byte of this.slice(count).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * count, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  /** UTF-8 of `count` bytes. */
  text(count: number): string {
    return this.decoder.decode(this.slice(count));
  }

  /** Text up to the next line feed, which is skipped. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleError('ends too early');
    const line = this.text(end - this.at);
    this.at++;
    return line;
  }

  /** Moves past `count` bytes; returns where they begin. */
  skip(count: number): number {
    const start = this.at;
    if (start + count > this.bytes.length) throw new PickleError('ends too early');
    this.at += count;
    return start;
  }

  private slice(count: number): Uint8Array {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  /** Pushes a value. */
  push(value: unknown): void {
    if (++this.values > MOST.values) throw new PickleError('holds too many values');
    this.stack.push(value);
  }

  /** Pushes something that takes memory of its own. */
  pushObject(value: unknown): void {
    if (++this.objects > MOST.objects) throw new PickleError('holds too many objects');
    this.push(value);
  }

  /** The value on top of the stack, which stays there. */
  top(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw new PickleError('takes from an empty stack');
    return this.stack.at(-1);
  }

  /** Takes the value on top of the stack. */
  pop(): unknown {
    this.top();
    return this.stack.pop();
  }

  /** The last `count` values, in the order in which they were pushed. */
  popMany(count: number): unknown[] {
    if (this.stack.length - count < (this.marks.at(-1) ?? 0))
      throw new PickleError('takes from an empty stack');
    return this.stack.splice(this.stack.length - count);
  }

  /** Sets a mark on the stack, for `popMark`. */
  mark(): void {
    if (this.marks.push(this.stack.length) > MOST.marks) throw new PickleError('is nested too deeply');
  }

  /** Everything above the last mark, leaving out `above` values that were pushed since. */
  popMark(above = 0): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw new PickleError('has no mark');
    return this.stack.splice(mark, this.stack.length - mark - above);
  }

  /** Stores the top of the stack in the memo (default: under the next free number). */
  remember(key = this.memo.size): void {
    this.memo.set(key, this.top());
    if (this.memo.size > MOST.memo) throw new PickleError('remembers too many values');
  }

  /** Pushes what `remember` stored under `key`. */
  recall(key: number): void {
    if (!this.memo.has(key)) throw new PickleError(`recalls the entry ${key} that it never stored`);
    this.push(this.memo.get(key));
  }

  /** Calls what lies below the last `operands - 1` values with the first of them. */
  call(operands: number): void {
    const [callee, args] = this.popMany(operands);
    if (!(callee instanceof PickleGlobal))
      throw new PickleError('calls something that is not a class or function');
    if (!Array.isArray(args)) throw new PickleError(`calls ${callee.name} without arguments`);
    this.pushObject(this.hooks.call(callee, args));
  }

  /** Replaces a persistent id on top of the stack by what it names, such as a storage. */
  persistent(): void {
    this.pushObject(this.hooks.persistent(this.pop()));
  }

  /** Sets the state of an object; that of dictionaries and tuples carries nothing of use. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    // (dictionary, slots) is the other form that Python writes.
    const fields = Array.isArray(state) ? state[0] : state;
    if (target instanceof PickleObject && fields instanceof Map)
      for (const [name, value] of fields) target.attributes.set(name, value);
  }

  /** Keys and values, alternating, for the dictionary on top. */
  setItems(items: readonly unknown[]): void {
    const target = this.top();
    if (items.length % 2 !== 0) throw new PickleError('has a key without a value');
    if (target instanceof Map) for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
    else if (!(target instanceof PickleObject))
      throw new PickleError('sets an item of something that is not a dictionary');
  }

  /** Items for the list on top. */
  extend(items: readonly unknown[]): void {
    const target = this.top();
    if (Array.isArray(target)) for (const item of items) target.push(item);
    else if (!(target instanceof PickleObject))
      throw new PickleError('appends to something that is not a list');
  }
}
