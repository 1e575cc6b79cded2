/** CPython's random numbers. */

/** Words of state of a Mersenne twister, and how far apart two of them are mixed. */
const STATE = 624;
const MIDDLE = 397;

/**
 * CPython's generator (MT19937) and the parts of its `random` module that PromptKD's reference code uses, number for
 * number: few-shot samples for a seed are the reference's. Source: CPython `Modules/_randommodule.c`, `Lib/random.py`.
 */
export class Random {
  private readonly state = new Uint32Array(STATE);
  private next = STATE;
  private spareNormal: number | undefined;

  /**
   * As `random.seed(seed)` with an integer; the sign is ignored, as there.
   * @throws RangeError when `seed` is not a safe integer
   */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) throw new RangeError(`a seed must be an integer, not ${seed}`);
    const size = Math.abs(seed);
    const high = Math.floor(size / 2 ** 32);
    this.seedWithKey(high > 0 ? [size % 2 ** 32, high] : [size]);
  }

  /**
   * An independent stream for a purpose, for example `Random.of(seed, 'order', epoch)`. Streams need no history, so a
   * run that continues at epoch 7 draws what an uninterrupted one draws there.
   */
  static of(...parts: (number | string)[]): Random {
    const random = new Random(0);
    // The twister's own seeding mixes a key of any length; the separator keeps ('a', 12) apart from ('a1', 2).
    random.seedWithKey([...parts.join('\u0000')].map((character) => character.codePointAt(0)!));
    return random;
  }

  /** Uniform in [0, 1) with 53 random bits. */
  random(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /**
   * `bits` random bits as a non-negative integer; 0 to 53 bits.
   *
   * @throws RangeError when `bits` is no integer from 0 to 53
   */
  getrandbits(bits: number): number {
    if (!Number.isInteger(bits) || bits < 0 || bits > 53)
      throw new RangeError(`${bits} bits are not in 0..53`);
    if (bits === 0) return 0;
    if (bits <= 32) return this.word() >>> (32 - bits);
    const low = this.word();
    return (this.word() >>> (64 - bits)) * 0x100000000 + low;
  }

  /**
   * Uniform integer in [0, limit), `limit` >= 1; CPython's `_randbelow`.
   *
   * @throws RangeError when `limit` is no positive safe integer
   */
  below(limit: number): number {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError(`${limit} is not a positive integer`);
    const bits = limit < 2 ** 32 ? 32 - Math.clz32(limit) : limit.toString(2).length;
    let value = this.getrandbits(bits);
    while (value >= limit) value = this.getrandbits(bits);
    return value;
  }

  /** Uniform real number between `from` and `to`. */
  uniform(from: number, to: number): number {
    return from + (to - from) * this.random();
  }

  /** Normally distributed; CPython's `gauss`, up to the last bit of the platform's logarithm and cosine. */
  normal(mean = 0, deviation = 1): number {
    let value = this.spareNormal;
    this.spareNormal = undefined;
    if (value === undefined) {
      const angle = this.random() * 2 * Math.PI;
      const radius = Math.sqrt(-2 * Math.log(1 - this.random()));
      value = Math.cos(angle) * radius;
      this.spareNormal = Math.sin(angle) * radius;
    }
    return mean + value * deviation;
  }

  /** Shuffles in place. */
  shuffle<T>(items: T[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
  }

  /** `count` different members of `items` in random order. @throws RangeError when there are fewer */
  sample<T>(items: readonly T[], count: number): T[] {
    if (count < 0 || count > items.length)
      throw new RangeError(`cannot draw ${count} of ${items.length} items`);
    // CPython switches method where a set would be smaller than a list; the numbers drawn depend on which one runs.
    let setSize = 21;
    if (count > 5) setSize += 4 ** Math.ceil(Math.log(count * 3) / Math.log(4));
    return items.length <= setSize ? this.sampleFromPool(items, count) : this.sampleBySet(items, count);
  }

  private sampleFromPool<T>(items: readonly T[], count: number): T[] {
    const pool = [...items];
    const drawn: T[] = [];
    for (let i = 0; i < count; i++) {
      const j = this.below(pool.length - i);
      drawn.push(pool[j]!);
      pool[j] = pool[pool.length - i - 1]!;
    }
    return drawn;
  }

  private sampleBySet<T>(items: readonly T[], count: number): T[] {
    const chosen = new Set<number>();
    while (chosen.size < count) {
      let j = this.below(items.length);
      while (chosen.has(j)) j = this.below(items.length);
      chosen.add(j);
    }
    return [...chosen].map((index) => items[index]!);
  }

  /** `init_by_array` of the reference implementation. */
  private seedWithKey(key: readonly number[]): void {
    const state = this.state;
    state[0] = 19650218;
    for (let i = 1; i < STATE; i++)
      state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i;
    let i = 1;
    const step = () => {
      if (++i >= STATE) {
        state[0] = state[STATE - 1]!;
        i = 1;
      }
    };
    const mixed = (factor: number) => state[i]! ^ Math.imul(state[i - 1]! ^ (state[i - 1]! >>> 30), factor);
    for (let count = Math.max(STATE, key.length), j = 0; count > 0; count--, j = (j + 1) % key.length) {
      state[i] = mixed(1664525) + key[j]! + j;
      step();
    }
    for (let count = STATE - 1; count > 0; count--) {
      state[i] = mixed(1566083941) - i;
      step();
    }
    state[0] = 0x80000000;
    this.next = STATE;
  }

  private word(): number {
    if (this.next >= STATE) this.twist();
    let word = this.state[this.next++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  private twist(): void {
    const state = this.state;
    for (let i = 0; i < STATE; i++) {
      const word = (state[i]! & 0x80000000) | (state[(i + 1) % STATE]! & 0x7fffffff);
      state[i] = state[(i + MIDDLE) % STATE]! ^ (word >>> 1) ^ (word & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }
}
