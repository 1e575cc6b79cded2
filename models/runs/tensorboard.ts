/** Event files for TensorBoard, beside a run's own files. */
import { type EventMessage, eventRecord } from '../../formats/eventRecord.js';
import type { Platform } from '../platform.js';
import type { Metrics } from './lineFile.js';

/** How long scalars are collected before they are appended. */
const EVERY_MS = 2000;
/** `SessionLog.SessionStatus.START`: what other files say of this step and later ones no longer counts. */
const START = 1;

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

  private event(event: EventMessage): void {
    this.pending.push(eventRecord(event));
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
