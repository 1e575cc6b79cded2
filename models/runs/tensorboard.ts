/**
 * Event files for TensorBoard, beside a run's own files: TFRecords of `Event` messages with a scalar each. Field numbers are those of
 * tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
 */
import protobuf from 'protobufjs/light.js';
import { crcTable } from '../checkpoints/crc32.js';
import type { Platform } from '../platform.js';
import type { Metrics } from './lineFile.js';

/** How long scalars are collected before they are appended. */
const EVERY_MS = 2000;
/** `SessionLog.SessionStatus.START`: what other files say of this step and later ones no longer counts. */
const START = 1;

const { Root, Type, Field } = protobuf;

const MESSAGE = new Root()
  .add(
    new Type('Event')
      .add(new Field('wallTime', 1, 'double'))
      .add(new Field('step', 2, 'int64'))
      .add(new Field('fileVersion', 3, 'string'))
      .add(new Field('summary', 5, 'Summary'))
      .add(new Field('sessionLog', 7, 'SessionLog')),
  )
  .add(new Type('Summary').add(new Field('value', 1, 'Value', 'repeated')))
  .add(new Type('Value').add(new Field('tag', 1, 'string')).add(new Field('simpleValue', 2, 'float')))
  .add(new Type('SessionLog').add(new Field('status', 1, 'int32')))
  .lookupType('Event');

/** An event: a version, scalars at a step, or the start of a session. */
interface Event {
  readonly wallTime: number;
  readonly step?: number;
  readonly fileVersion?: string;
  readonly summary?: { readonly value: readonly { readonly tag: string; readonly simpleValue: number }[] };
  readonly sessionLog?: { readonly status: number };
}

/** Scalars of a run, appended to an event file of its own while the run goes on. */
export class EventFile {
  /** Updates of an epoch, to number steps through; set before anything is added. */
  updatesPerEpoch = 1;
  private pending: Uint8Array<ArrayBuffer>[] = [];
  /** When the first scalars were added, in seconds since 1970: the file is named after it. */
  private started: number | undefined;
  /** Once the file exists. */
  private path: string | undefined;
  private written = performance.now();
  private writing: Promise<void> = Promise.resolve();
  private failed = false;

  /**
   * @param folder gets the file with the first scalars
   * @param note called once if it cannot be written, which does not end the run
   * @param now milliseconds since 1970
   */
  constructor(
    private readonly platform: Platform,
    private readonly folder: string,
    private readonly note: (line: string) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** Adds the numbers of a line of `metrics.jsonl`, or with another group those of an epoch. */
  add({ epoch, step, ...values }: Metrics, group = 'train'): void {
    const scalars = Object.entries(values).filter(([, value]) => typeof value === 'number');
    if (this.failed || scalars.length === 0) return;
    const wallTime = this.now() / 1000;
    const at = (Number(epoch) - 1) * this.updatesPerEpoch + Number(step ?? this.updatesPerEpoch);
    if (this.started === undefined) {
      this.started = Math.floor(wallTime);
      this.event({ wallTime, fileVersion: 'brain.Event:2' });
      this.event({ wallTime, step: at, sessionLog: { status: START } });
    }
    const value = scalars.map(([name, number]) => ({ tag: `${group}/${name}`, simpleValue: Number(number) }));
    this.event({ wallTime, step: at, summary: { value } });
    if (performance.now() - this.written >= EVERY_MS) void this.flush();
  }

  /** Appends what was added. */
  flush(): Promise<void> {
    this.written = performance.now();
    const records = this.pending.splice(0);
    if (records.length > 0) this.writing = this.writing.then(() => this.append(records));
    return this.writing;
  }

  private event(event: Event): void {
    this.pending.push(record(MESSAGE.encode(MESSAGE.fromObject(event)).finish()));
  }

  private async append(records: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
    if (this.failed) return;
    try {
      await this.platform.makeFolder(this.folder);
      this.path ??= await this.unused();
      const bytes = await new Blob([...records]).arrayBuffer();
      await this.platform.appendBytes?.(this.path, new Uint8Array(bytes));
    } catch (error) {
      this.failed = true;
      this.note(`no more events for TensorBoard: ${(error as Error).message}`);
    }
  }

  /** Never a file of an earlier process, which may have started in the same second. */
  private async unused(): Promise<string> {
    const path = this.platform.join(this.folder, `events.out.tfevents.${this.started}.promptkd`);
    for (let i = 1; ; i++) {
      const name = i === 1 ? path : `${path}.${i}`;
      if (!(await this.platform.stat(name))) return name;
    }
  }
}

/** A TFRecord: length, its checksum, the data, their checksum; all little-endian. */
function record(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return bytes;
}

/** CRC-32C (Castagnoli). */
const TABLE = crcTable(0x82f63b78);

/** TensorFlow's masked CRC-32C: rotated by 15 bits plus a constant, as a checksum of data that hold checksums is weak. */
function maskedCrc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
