/**
 * The folder of a run: `config.yaml` (complete, re-runnable), `metrics.jsonl`, `timing.jsonl`, `checkpoints/`, `report.html`
 * and results. All but `timing.jsonl`, which the report shows too, depend on nothing but settings, data and adapter.
 * One process owns it at a time. A run that fails before its first checkpoint leaves nothing behind.
 */
import { parse, parseDocument, stringify } from 'yaml';
import { UserError } from '../../engine/index.js';
import { readable } from '../../formats/fileErrors.js';
import type { Platform } from '../platform.js';
import { type Difference, differences, otherSettings } from './changes.js';
import { LineFile, type LineMark, type Metrics, type RunRecord } from './lineFile.js';
import type { EventFile } from './tensorboard.js';

/** What a run trains: `teacher`, `student`, or any other name for runs that no command of ours makes. */
export type RunKind = string;

/** The commands that make runs of a kind. */
const COMMANDS: Readonly<Record<RunKind, string>> = {
  teacher: 'promptkd teacher',
  student: 'promptkd distill',
};

/** The file of a run's settings. */
export const CONFIG = 'config.yaml';
/** The file of losses and accuracies. */
export const METRICS = 'metrics.jsonl';
/** The file of speeds. */
export const TIMING = 'timing.jsonl';
/** Folder of event files for TensorBoard. */
export const TENSORBOARD = 'tensorboard';

/** How a run folder is opened. */
export interface RunOptions {
  /** Continue the run that is there; its settings must be the same. */
  readonly resume?: boolean;
  /** Gets what is logged, too. */
  readonly events?: EventFile;
  /** Receives notes for the user. */
  readonly note?: (line: string) => void;
}

/** The folder of a run that this process owns. */
export class RunFolder {
  private readonly metrics: LineFile;
  private readonly timing: LineFile;
  /** Whether the folder holds something to resume from or to keep. */
  private kept: boolean;

  private constructor(
    private readonly platform: Platform,
    readonly path: string,
    private readonly kind: RunKind,
    /** The text of `config.yaml`. */
    readonly config: string,
    private readonly note: (line: string) => void,
    private readonly unlock: () => Promise<void>,
    private readonly made: boolean,
    /** Whether there was a run, which is resumed. */
    readonly continued: boolean,
    readonly events: EventFile | undefined,
  ) {
    this.kept = continued;
    this.metrics = new LineFile(platform, this.join(METRICS), note);
    this.timing = new LineFile(platform, this.join(TIMING), note);
  }

  /**
   * Creates the folder or opens the run in it, and locks it until `close`.
   *
   * @throws UserError when `path` holds a run (or anything else) and `resume` is not set, when another process works there,
   *   when settings differ, or when it cannot be written
   */
  static async open(
    platform: Platform,
    path: string,
    kind: RunKind,
    settings: object,
    { resume = false, events, note = () => {} }: RunOptions = {},
  ): Promise<RunFolder> {
    const there = await platform.stat(path);
    if (there && there.kind !== 'folder')
      throw new UserError(`the output ${path} is a file`, 'give a folder that does not exist yet');
    const unlock = (await platform.lock?.(path)) ?? (async () => {});
    try {
      const config = stringify({ kind, ...settings });
      const continued = await RunFolder.holdsRun(platform, path, config, resume);
      const made = there === undefined;
      const folder = new RunFolder(platform, path, kind, config, note, unlock, made, continued, events);
      await platform.removeLeftovers?.(path);
      // Written even if it exists: fails early when the folder is not writable.
      await folder.write(CONFIG, config);
      if (resume && !continued) note(`${path} holds nothing to continue: the run begins anew`);
      return folder;
    } catch (error) {
      await unlock();
      // The lock may have created the folder.
      if (there === undefined) await platform.removeEmpty?.(path);
      throw error;
    }
  }

  /** Whether the folder holds the run to resume. Throws `UserError` if something must not be overwritten. */
  private static async holdsRun(
    platform: Platform,
    path: string,
    config: string,
    resume: boolean,
  ): Promise<boolean> {
    const entries = (await platform.list(path)).filter(({ name }) => !/\.tmp$/.test(name));
    if (entries.length === 0) return false;
    const file = platform.join(path, CONFIG);
    if (!entries.some(({ name, kind }) => name === CONFIG && kind === 'file'))
      throw new UserError(`the output folder ${path} is not empty`, 'give a folder that does not exist yet');
    if (!resume)
      throw new UserError(
        `the output folder ${path} already holds a run`,
        'give another folder, add --resume to continue it, or delete it',
      );
    const before = await platform.readText(file);
    const found = differences(readYaml(file, before), parse(config) as unknown);
    if (found.length > 0) throw otherSettings(`the run in ${path}`, found);
    return true;
  }

  /** The path of a file in the folder. */
  join(...parts: string[]): string {
    return this.platform.join(this.path, ...parts);
  }

  /** The command that resumes this run. */
  get continuation(): string {
    const command = COMMANDS[this.kind];
    return `${command === undefined ? '' : `${command} `}--resume --out ${this.path}`;
  }

  /** Differences between a checkpoint's settings and this run's; paths that may change are left out. */
  changes(config: string): Difference[] {
    return differences(readYaml('the settings in a checkpoint', config), parse(this.config) as unknown);
  }

  /**
   * Keeps a line for `metrics.jsonl` until the next `flush`.
   *
   * @param group of its numbers in event files (default: train)
   */
  log(metrics: Metrics, group?: string): void {
    this.metrics.add(metrics);
    this.events?.add(metrics, group);
  }

  /** The same for `timing.jsonl`. */
  logTiming(timing: {
    readonly epoch: number;
    readonly imagesPerSecond: number;
    readonly msPerStep: number;
  }): void {
    this.timing.add(timing);
    const { epoch, imagesPerSecond, msPerStep } = timing;
    this.events?.add({ epoch, imagesPerSecond, msPerStep }, 'speed');
  }

  /** Writes what has been logged; says where `metrics.jsonl` ends now. */
  async flush(): Promise<LineMark> {
    await this.timing.flush();
    await this.events?.flush();
    return this.metrics.flush();
  }

  /** Marks that there is a checkpoint or result: after an error the folder then stays. */
  keep(): void {
    this.kept = true;
  }

  /** Drops what a resumed run will write again: metrics after `mark` and timing after `epoch`, or everything. */
  async rewind(mark?: LineMark, epoch = 0): Promise<void> {
    await this.metrics.rewind(mark);
    await this.timing.keep((record) => Number(record.epoch) <= epoch);
  }

  /** What the folder says of the training, for its report. */
  async record(): Promise<RunRecord> {
    return { config: this.config, metrics: await this.metrics.read(), timing: await this.timing.read() };
  }

  /** Writes a file of the folder, in place of one that has the name. */
  write(name: string, data: Uint8Array | string): Promise<void> {
    return this.platform.write(this.join(name), data);
  }

  /** Unlocks the folder. After an error, removes one that holds nothing to resume. */
  async close({ failed = false } = {}): Promise<void> {
    const { platform, path } = this;
    try {
      await this.events?.flush();
      await platform.removeLeftovers?.(path);
      await platform.removeLeftovers?.(this.join('checkpoints'));
      if (failed && !this.kept) {
        // A checkpoint that could not be flushed may exist. config.yaml goes last: without it the rest is no run.
        for (const name of ['checkpoints', METRICS, TIMING, TENSORBOARD, CONFIG])
          await platform.remove(this.join(name));
      }
    } catch (error) {
      this.note(`${path} is not tidied up: ${(error as Error).message}`);
    } finally {
      await this.unlock();
      if (failed && !this.kept && this.made) await platform.removeEmpty?.(path);
    }
  }
}

/** Opens the folder of a run for `work`, and always closes it. */
export async function withRunFolder<T>(
  platform: Platform,
  path: string,
  kind: RunKind,
  settings: object,
  options: RunOptions,
  work: (folder: RunFolder) => Promise<T>,
): Promise<T> {
  const folder = await RunFolder.open(platform, path, kind, settings, options);
  let failed = true;
  try {
    const result = await work(folder);
    failed = false;
    return result;
  } finally {
    await folder.close({ failed });
  }
}

/**
 * The settings of the finished or interrupted run in `path`.
 *
 * @throws UserError when there is no such folder, no run in it, or one of another kind
 */
export async function readRunConfig(
  platform: Platform,
  path: string,
  kind: RunKind,
): Promise<Record<string, unknown>> {
  const file = platform.join(path, CONFIG);
  if (!(await platform.stat(path)))
    throw new UserError(`the run folder ${path} does not exist`, `train one with: ${COMMANDS[kind] ?? kind}`);
  if (!(await platform.stat(file)))
    throw new UserError(`${path} holds no run: ${CONFIG} is missing`, 'give the folder of a finished run');
  const config = readYaml(file, await platform.readText(file)) as Record<string, unknown>;
  if (config?.kind !== kind)
    throw new UserError(
      `${file}: kind is "${config?.kind}", not "${kind}"`,
      `give the folder of a ${kind} run`,
    );
  return config;
}

/** What kind of run `path` holds; undefined for none. */
export async function runKind(platform: Platform, path: string): Promise<RunKind | undefined> {
  const file = platform.join(path, CONFIG);
  if (!(await platform.stat(file))) return undefined;
  const { kind } = (readYaml(file, await platform.readText(file)) ?? {}) as { kind?: RunKind };
  return kind;
}

/** A config.yaml has 1 kB, a preset 3. */
const MAX_YAML = 2 ** 20;

/**
 * Parses YAML. Tags and more aliases than people write are errors, like wrong syntax.
 *
 * @throws UserError with file, line and column
 */
export function readYaml(file: string, text: string): unknown {
  const refused = (problem: string) => new UserError(`${file}: ${readable(problem)}`, 'correct the YAML');
  if (text.length > MAX_YAML) throw refused(`it has ${text.length} characters, too many for settings`);
  try {
    // Warnings are read from the document, since the library would print them.
    const document = parseDocument(text, { logLevel: 'error' });
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw problem;
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw refused((error as Error).message.split('\n')[0]!);
  }
}
