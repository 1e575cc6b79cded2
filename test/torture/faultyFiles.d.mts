export type Fault =
  | 'none'
  | 'ENOSPC'
  | 'EIO'
  | 'EACCES'
  | 'short'
  | 'kill-before'
  | 'kill-half'
  | 'kill-after';

export interface Change {
  readonly op: 'open' | 'write' | 'sync' | 'rename' | 'mkdir' | 'remove' | 'truncate';
  readonly path: string;
}

export interface FaultPlan {
  /** Changes under it are counted. */
  readonly folder: string;
  readonly fault: Fault;
  /** The change that it happens to, from 0 on. */
  readonly at?: number;
  /** Gets a line of JSON for each change, with the process's `ms` at that moment. */
  readonly log?: string;
}

export function inject(plan: FaultPlan): {
  readonly changes: readonly Change[];
  /** Whether the change has come. */
  struck(): boolean;
  restore(): void;
};
