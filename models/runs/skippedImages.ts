/** The list of a run's broken images, in its folder. */
import type { Skipped } from '../datasets/skipped.js';
import type { Platform } from '../platform.js';
import type { RunFolder } from './runFolder.js';

const FILE = 'skipped-images.txt';

/** Keeps the list of broken images in a run's folder. */
export class SkippedImages {
  private written = 0;

  private constructor(
    private readonly folder: RunFolder,
    private readonly skipped: Skipped,
  ) {}

  /** Restores the list of a resumed run. */
  static async open(platform: Platform, folder: RunFolder, skipped: Skipped): Promise<SkippedImages> {
    const path = folder.join(FILE);
    if (await platform.stat(path)) {
      if (folder.continued) skipped.restore(await platform.readText(path));
      else await platform.remove(path);
    }
    return new SkippedImages(folder, skipped);
  }

  /** Writes the list if it has grown. */
  async flush(): Promise<void> {
    if (this.skipped.count === this.written) return;
    this.written = this.skipped.count;
    await this.folder.write(FILE, this.skipped.text());
  }

  /** The last line of a run; undefined if nothing is broken. */
  summary(): string | undefined {
    return this.skipped.summary(this.folder.join(FILE));
  }
}
