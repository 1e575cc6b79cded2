/** An append-only file of JSON lines that can be truncated to where a checkpoint was written. */
import { crc32 } from '../../formats/crc32.js';
import type { Platform } from '../platform.js';

/** A line of `metrics.jsonl`: where in the run it was written, and quantities by name. */
export type Metrics = Readonly<Record<string, number | string>>;

/** The end of a file at some time: its size in bytes, and the CRC-32 of its content. */
export interface LineMark {
  readonly bytes: number;
  readonly crc32: number;
}

/** A line of `timing.jsonl`. It has no checksum and may hold anything. */
export type TimingLine = Readonly<Record<string, unknown>>;

/** What a run's folder says about its training. */
export interface RunRecord {
  /** The text of config.yaml. */
  readonly config: string;
  /** The lines of metrics.jsonl. */
  readonly metrics: readonly Metrics[];
  /** The lines of timing.jsonl. */
  readonly timing: readonly TimingLine[];
}

const START: LineMark = { bytes: 0, crc32: 0 };

/** A growing file of JSON lines, written on `flush`. */
export class LineFile {
  private pending: string[] = [];
  private end = START;

  /** @param note called when the file was changed or damaged */
  constructor(
    private readonly platform: Platform,
    private readonly path: string,
    private readonly note: (line: string) => void,
  ) {}

  /** The records of a file of another process or time; none where there is no file. Other lines are left out. */
  static async parse(platform: Platform, path: string): Promise<Metrics[]> {
    return (await platform.stat(path)) ? parseLines(await platform.read(path)) : [];
  }

  /** Keeps a line until the next `flush`. */
  add(record: object): void {
    this.pending.push(JSON.stringify(record));
  }

  /** Writes what was added; returns where the file ends. */
  async flush(): Promise<LineMark> {
    const lines = this.pending.splice(0);
    if (lines.length > 0) {
      const text = lines.join('\n');
      await this.platform.append(this.path, text);
      const bytes = new TextEncoder().encode(`${text}\n`);
      this.end = { bytes: this.end.bytes + bytes.length, crc32: crc32(bytes, this.end.crc32) };
    }
    return this.end;
  }

  /** Truncates the file to `mark`: what follows was written after the checkpoint, or incompletely. */
  async rewind(mark = START): Promise<void> {
    this.end = mark;
    if (!(await this.platform.stat(this.path))) {
      if (mark.bytes > 0) this.note(`${this.path} is gone: what it said of earlier steps is lost`);
      this.end = START;
      return;
    }
    const found = await this.platform.read(this.path);
    if (mark.bytes === 0) return this.platform.remove(this.path);
    const kept = found.subarray(0, mark.bytes);
    if (kept.length < mark.bytes || crc32(kept) !== mark.crc32) {
      this.note(
        `${this.path} was changed or damaged since it was written: earlier steps in the report may be wrong`,
      );
      this.end = { bytes: kept.length, crc32: crc32(kept) };
    }
    if (found.length > kept.length) await this.platform.write(this.path, kept);
  }

  /** Keeps the wanted records only: for a file whose end no checkpoint stores. */
  async keep(wanted: (record: Metrics) => boolean): Promise<void> {
    if (!(await this.platform.stat(this.path))) return;
    const kept = parseLines(await this.platform.read(this.path)).filter(wanted);
    const bytes = new TextEncoder().encode(kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
    await this.platform.write(this.path, bytes);
    this.end = { bytes: bytes.length, crc32: crc32(bytes) };
  }

  /** The records in the file, without lines that are not JSON objects. */
  async read(): Promise<Metrics[]> {
    if (!(await this.platform.stat(this.path))) return [];
    const bytes = await this.platform.read(this.path);
    if (bytes.length !== this.end.bytes || crc32(bytes) !== this.end.crc32)
      this.note(`${this.path} was changed or damaged since it was written: the report may be wrong`);
    return parseLines(bytes);
  }
}

const parseLines = (bytes: Uint8Array): Metrics[] =>
  new TextDecoder()
    .decode(bytes)
    .split('\n')
    .flatMap((line): Metrics[] => {
      try {
        const record: unknown = JSON.parse(line);
        return typeof record === 'object' && record !== null ? [record as Metrics] : [];
      } catch {
        return [];
      }
    });
