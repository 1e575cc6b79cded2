/** Broken images: which, why, and how many a run tolerates. */
import { UserError } from '../../engine/errors.js';

/** An image file that is missing or cannot be decoded. The file is at fault: trying again would not help. */
export class BrokenImage extends UserError {
  /** @param reason what is wrong, without the path */
  constructor(
    readonly path: string,
    readonly reason: string,
  ) {
    super(
      `${printable(path)} cannot be read as an image: ${reason}`,
      'remove the file from the data set, or replace it with a complete PNG, JPEG or WebP',
    );
  }
}

/** A broken image, and why it cannot be used. */
export interface SkippedImage {
  readonly path: string;
  readonly reason: string;
}

/** Broken images that a message names. */
const NAMED = 20;

/** Collects the broken ones among a number of images, and fails when there are too many. */
export class Skipped {
  private readonly reasons = new Map<string, string>();

  /**
   * @param images how many there are, with the broken ones
   * @param maxBroken the largest share, 0 to 1, that may be broken; it is always an error if none is left
   */
  constructor(
    private images: number,
    private readonly maxBroken: number,
  ) {}

  /** Broken images so far. */
  get count(): number {
    return this.reasons.size;
  }

  /** All images, broken ones included. */
  get total(): number {
    return this.images;
  }

  /** Counts more images, such as those that decide between epochs. */
  expect(more: number): void {
    this.images += more;
  }

  /** Whether the image at `path` is among the broken ones. */
  has(path: string): boolean {
    return this.reasons.has(path);
  }

  /** Why the image at `path` is broken; undefined if it is not. */
  reason(path: string): string | undefined {
    return this.reasons.get(path);
  }

  /** @throws UserError when the share of broken images is now larger than allowed */
  add(path: string, reason: string): void {
    this.note(path, reason);
    this.check();
  }

  /** As `add`, for a caller that calls `check` when it knows all. The first reason of a file stays. */
  note(path: string, reason: string): void {
    if (!this.reasons.has(path)) this.reasons.set(path, reason);
  }

  /** @throws UserError that names the first of them when too many images are broken, or all */
  check(): void {
    const { count, total, maxBroken } = this;
    if (count === 0 || (count <= maxBroken * total && count < total)) return;
    const share =
      count >= total
        ? 'none can be read'
        : maxBroken === 0
          ? 'none may be (maxBroken is 0)'
          : `more than the share of ${maxBroken} that may be (maxBroken)`;
    throw new UserError(
      `${count} of ${total} images ${count === 1 ? 'is' : 'are'} broken, ${share}: ${this.named()}`,
      count >= total
        ? 'check that these are images, and that they were copied whole'
        : 'remove or replace them, or let more be skipped with --max-broken SHARE (0 to 1)',
    );
  }

  /** In the order of their paths. */
  list(): SkippedImage[] {
    return [...this.reasons]
      .map(([path, reason]) => ({ path, reason }))
      .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  }

  /** A line for each: its path, a tab, the reason. */
  text(): string {
    return this.list()
      .map(({ path, reason }) => `${printable(path)}\t${reason}\n`)
      .join('');
  }

  /** Restores the lines of an earlier `text`, as of a resumed run. */
  restore(text: string): void {
    for (const line of text.split('\n')) {
      const tab = line.indexOf('\t');
      if (tab > 0) this.note(line.slice(0, tab), line.slice(tab + 1));
    }
  }

  /** "3 of 80 images were skipped". */
  said(): string {
    const { count, total } = this;
    return `${count} of ${total} images ${count === 1 ? 'was' : 'were'} skipped`;
  }

  /**
   * The last line of a run: `said`, and the file that lists them or, without one, the first of them. Undefined if nothing is
   * broken.
   *
   * @param file that holds `text`
   */
  summary(file?: string): string | undefined {
    if (this.count === 0) return undefined;
    return file === undefined ? `${this.said()}: ${this.named()}` : `${this.said()}: see ${file}`;
  }

  private named(): string {
    const named = this.list()
      .slice(0, NAMED)
      .map(({ path, reason }) => `${printable(path)} (${reason})`);
    const left = this.count - named.length;
    return [...named, ...(left > 0 ? [`and ${left} more`] : [])].join('; ');
  }
}

/** A path without control characters, which a name may hold and a terminal obeys. */
function printable(path: string): string {
  return path.replace(/\p{Cc}/gu, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
