import { kTransferable, kValue, Tinypool } from 'tinypool';

/** Tinypool's way to say which buffers of a worker's result are moved, not copied. */
class Moved<T extends object> {
  constructor(
    private readonly value: T,
    private readonly transfers: readonly ArrayBufferLike[],
  ) {}
  get [kTransferable](): object {
    return this.transfers;
  }
  get [kValue](): object {
    return this.value;
  }
}

/** A worker's result whose buffers go to the main thread without a copy. */
export const moved = <T extends object>(value: T, transfers: readonly ArrayBufferLike[]): T =>
  Tinypool.move(new Moved(value, transfers) as never) as unknown as T;
