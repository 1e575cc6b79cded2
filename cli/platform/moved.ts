import { kTransferable, kValue, Tinypool } from 'tinypool';

/** Tells Tinypool which buffers of a worker's result to transfer instead of copying. */
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

/** Marks the buffers of a worker's result for transfer to the main thread without a copy. */
export const moved = <T extends object>(value: T, transfers: readonly ArrayBufferLike[]): T =>
  Tinypool.move(new Moved(value, transfers) as never) as unknown as T;
