/** Writes ZIP archives as PyTorch does: stored, every entry's data on a multiple of 64 bytes (for memory mapping). */
import { UserError } from '../engine/index.js';
import { crc32 } from './crc32.js';

const ALIGNMENT = 64;
const LOCAL_SIZE = 30;
/** PyTorch's own field for the filler: "FB". */
const FILLER_ID = 0x4246;
const LIMIT = 0xffffffff;

/** The parts of an archive, to be written in the order in which they are made. */
export class ZipWriter {
  private readonly directory: Uint8Array[] = [];
  private at = 0;

  /**
   * Header and data of one entry.
   *
   * @throws UserError when the archive would be larger than 4 GiB
   */
  entry(name: string, data: Uint8Array): Uint8Array[] {
    const path = new TextEncoder().encode(name);
    const start = this.at + LOCAL_SIZE + path.length + 4;
    const filler = (ALIGNMENT - (start % ALIGNMENT)) % ALIGNMENT;
    if (start + filler + data.length > LIMIT)
      throw new UserError(
        'the file would be larger than 4 GiB, which this ZIP writer does not do',
        'write it with --half, or as safetensors',
      );
    const shared = new Uint8Array(26);
    const fields = new DataView(shared.buffer);
    // 0: version needed 2.0, 2: flags (names are UTF-8), 4: method 0, 6: no time of day, 8: 1 January 1980.
    fields.setUint16(0, 20, true);
    fields.setUint16(2, 0x800, true);
    fields.setUint16(8, 0x21, true);
    fields.setUint32(10, crc32(data), true);
    fields.setUint32(14, data.length, true);
    fields.setUint32(18, data.length, true);
    fields.setUint16(22, path.length, true);

    const central = new Uint8Array(46 + path.length);
    const view = new DataView(central.buffer);
    view.setUint32(0, 0x02014b50, true);
    view.setUint16(4, 20, true);
    central.set(shared, 6);
    view.setUint32(42, this.at, true);
    central.set(path, 46);
    this.directory.push(central);

    fields.setUint16(24, 4 + filler, true);
    const header = new Uint8Array(start + filler - this.at);
    const local = new DataView(header.buffer);
    local.setUint32(0, 0x04034b50, true);
    header.set(shared, 4);
    header.set(path, LOCAL_SIZE);
    local.setUint16(LOCAL_SIZE + path.length, FILLER_ID, true);
    local.setUint16(LOCAL_SIZE + path.length + 2, filler, true);
    header.fill(0x5a, LOCAL_SIZE + path.length + 4);
    this.at += header.length + data.length;
    return [header, data];
  }

  /** The table of contents, which ends the archive. */
  end(): Uint8Array[] {
    const size = this.directory.reduce((sum, entry) => sum + entry.length, 0);
    const end = new Uint8Array(22);
    const view = new DataView(end.buffer);
    view.setUint32(0, 0x06054b50, true);
    view.setUint16(8, this.directory.length, true);
    view.setUint16(10, this.directory.length, true);
    view.setUint32(12, size, true);
    view.setUint32(16, this.at, true);
    return [...this.directory, end];
  }
}
