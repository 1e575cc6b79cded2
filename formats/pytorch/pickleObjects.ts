/** What a pickle can hold beside plain values, and the limits of a reader that does not trust it. */

/** A class or function that a pickle names. */
export class PickleGlobal {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}
}

/** An instance of a class that the reader does not know: the name of its class, and its state. */
export class PickleObject {
  /** Attributes by name, where the state is a dictionary. */
  readonly attributes = new Map<unknown, unknown>();
  constructor(readonly type: PickleGlobal) {}
}

/** Decides what the names in a pickle stand for. */
export interface PickleHooks {
  /** The result of a class or function; a `PickleObject` for those that are not on the reader's list. */
  call(callee: PickleGlobal, args: readonly unknown[]): unknown;
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
}

/** A pickle that breaks the format or a limit. The caller knows the file and turns it into a `UserError`. */
export class PickleError extends Error {}

/** Most bytes of a pickle. That of a large trainer checkpoint has 1 MB, as tensors are stored elsewhere. */
export const MAX_PICKLE_BYTES = 16 * 2 ** 20;
/**
 * The other limits. One byte can make a list, dictionary or object, push a value or remember one, which takes ten to two hundred
 * times as much memory. A trainer checkpoint of ViT-L/14 has 5,000 objects, 15,000 values and 10,000 memo entries.
 */
export const MOST = {
  objects: 100_000,
  values: 250_000,
  memo: 150_000,
  marks: 1000,
  bytesOfInteger: 32,
} as const;
