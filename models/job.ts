/** What a long job is given: a device, files, and someone who shows how far it is. */
import type { Gpu } from '../engine/index.js';
import type { Precision } from './clip/precision.js';
import type { Platform } from './platform.js';

/** Shows how far a part of a job is. */
export interface ProgressBar {
  /** `done` of the total given to `begin`; `note` is shown beside it. */
  update(done: number, note?: string): void;
  end(): void;
}

/** A wish of the user's to end, such as Ctrl-C. */
export interface StopRequest {
  readonly requested: boolean;
  /** From now on the job looks at `requested` now and then; before, it is ended at once. */
  begin(): void;
  end(): void;
  /** What is thrown once everything is saved; `line` says how to go on. */
  stopped(line: string): Error;
}

/** A long job: everything outside of it that it uses. */
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
  /** Opens the device anew after it was lost; `gpu` is another one from then on. */
  reopen?(): Promise<void>;
  /** Says that the job has come to a moment that is measured, such as its first step. */
  mark?(name: string, details?: Readonly<Record<string, unknown>>): void;
}
