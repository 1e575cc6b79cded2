/** What a long job needs from its surroundings: a device, files, and someone who shows how far it is. */
import type { Gpu } from '../engine/gpu.js';
import type { Precision } from './clip/precision.js';
import type { Platform } from './platform.js';

export interface ProgressBar {
  /** `done` of the total given to `begin`; `note` is shown beside it. */
  update(done: number, note?: string): void;
  end(): void;
}

export interface Job {
  readonly gpu: Gpu;
  readonly platform: Platform;
  /** Of the models that the job loads (default f32). */
  readonly precision?: Precision;
  /** Starts a progress bar. */
  begin(label: string, total: number): ProgressBar;
  /** A line that the user should see. */
  note(line: string): void;
  /** Says that the job has come to a moment that is measured, such as its first step. */
  mark?(name: string, details?: Readonly<Record<string, unknown>>): void;
}
