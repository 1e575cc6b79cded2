/** What a long-running job is given: a device, files, and somewhere to report progress. */
import type { Gpu } from '../engine/index.js';
import type { Precision } from './clip/precision.js';
import type { Platform } from './platform.js';
import type { RunRecord } from './runs/lineFile.js';

/** Shows how far a part of a job is. */
export interface ProgressBar {
  /** `done` of the total given to `begin`; `note` is shown beside it. */
  update(done: number, note?: string): void;
  end(): void;
}

/** A request of the user's to stop, such as Ctrl-C. */
export interface StopRequest {
  readonly requested: boolean;
  /** From now on the job polls `requested`; before, it is ended at once. */
  begin(): void;
  end(): void;
  /** The error to throw once everything is saved; `line` says how to continue. */
  stopped(line: string): Error;
}

/** What a run's report shows. */
export interface TrainedRun extends RunRecord {
  readonly title: string;
  readonly adapter: string;
}

/** Everything outside a job that it uses. */
export interface Job {
  readonly gpu: Gpu;
  readonly platform: Platform;
  /** Of the models that the job loads (default f32). */
  readonly precision?: Precision;
  /** Starts a progress bar. */
  begin(label: string, total: number): ProgressBar;
  /** A line that the user should see. */
  note(line: string): void;
  readonly stop?: StopRequest;
  /** Opens a new device after the old one was lost; `gpu` is that one from then on. */
  reopen?(): Promise<void>;
  /** Marks a moment for measurements, such as the first step. */
  mark?(name: string, details?: Readonly<Record<string, unknown>>): void;
  /** A page of HTML about a trained run, for its `report.html`; without it, a run has none. */
  report?(run: TrainedRun): Promise<string>;
}
