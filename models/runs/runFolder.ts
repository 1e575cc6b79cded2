/**
 * The folder of a run: `config.yaml` (complete, re-runnable), `metrics.jsonl`, `timing.jsonl`, `checkpoints/`, `report.html`
 * and results. All but `timing.jsonl`, which the report shows too, depend on nothing but settings, data and adapter.
 * One process owns it at a time. A run that fails before its first checkpoint leaves nothing behind.
 */
import { parse, parseDocument, stringify } from 'yaml';
import { UserError } from '../../engine/index.js';
import { readable } from '../fileErrors.js';
import type { Platform } from '../platform.js';
import { type Difference, differences, otherSettings } from './changes.js';
import { LineFile, type LineMark, type Metrics } from './lineFile.js';
import { reportHtml } from './report.js';

/** What a run trains: `teacher`, `student`, or any other name for runs that no command of ours makes. */
export type RunKind = string;

/** The commands that make runs of a kind. */
const COMMANDS: Readonly<Record<RunKind, string>> = {
  teacher: 'promptkd teacher',
  student: 'promptkd distill',
};

/** The file of a run's settings. */
export const CONFIG = 'config.yaml';
const METRICS = 'metrics.jsonl';
const TIMING = 'timing.jsonl';

/** How a run folder is opened. */
export interface RunOptions {
  /** Continue the run that is there; its settings must be the same. */
  readonly resume?: boolean;
  /** Told what is peculiar. */
  readonly note?: (line: string) => void;
}

/** The folder of a run that this process owns. */
export class RunFolder {
  private readonly metrics: LineFile;
  private readonly timing: LineFile;
  /** Whether there is something that a later call can go on from or that a person wants to see. */
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
    /** Whether there was a run, to be continued. */
    readonly continued: boolean,
  ) {
    this.kept = continued;
    this.metrics = new LineFile(platform, this.join(METRICS), note);
    this.timing = new LineFile(platform, this.join(TIMING), note);
  }

  /**
   * Makes the folder, or takes the run that is there, and keeps other processes out until `close`.
   *
   * @throws UserError when `path` holds a run (or anything else) and `resume` is not set, when another process works there,
   *   when settings differ, or when it cannot be written
   */
  static async open(
    platform: Platform,
    path: string,
    kind: RunKind,
    settings: object,
    { resume = false, note = () => {} }: RunOptions = {},
  ): Promise<RunFolder> {
    const there = await platform.stat(path);
    if (there && there.kind !== 'folder')
      throw new UserError(`the output ${path} is a file`, 'give a folder that does not exist yet');
    const unlock = (await platform.lock?.(path)) ?? (async () => {});
    try {
      const config = stringify({ kind, ...settings });
      const held = await RunFolder.examine(platform, path, config, resume);
      const made = there === undefined;
      const folder = new RunFolder(platform, path, kind, config, note, unlock, made, held === 'run');
      await platform.removeLeftovers?.(path);
      // Written even where it is there: it shows that results can be, before anything is computed.
      await folder.write(CONFIG, config);
      if (resume && held !== 'run') note(`${path} holds nothing to continue: the run begins anew`);
      return folder;
    } catch (error) {
      await unlock();
      // A folder that the lock has made, and nobody has used.
      if (there === undefined) await platform.removeEmpty?.(path);
      throw error;
    }
  }

  /** What is in the folder; throws what must not be written over. */
  private static async examine(
    platform: Platform,
    path: string,
    config: string,
    resume: boolean,
  ): Promise<'run' | 'nothing'> {
    const entries = (await platform.list(path)).filter(({ name }) => !/\.tmp$/.test(name));
    if (entries.length === 0) return 'nothing';
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
    return 'run';
  }

  join(...parts: string[]): string {
    return this.platform.join(this.path, ...parts);
  }

  /** What a person types to go on with this run. */
  get continuation(): string {
    const command = COMMANDS[this.kind];
    return `${command === undefined ? '' : `${command} `}--resume --out ${this.path}`;
  }

  /** Settings of a checkpoint that are not those of this run; paths that may change are left out. */
  changes(config: string): Difference[] {
    return differences(readYaml('the settings in a checkpoint', config), parse(this.config) as unknown);
  }

  /** Keeps a line for `metrics.jsonl` until the next `flush`. */
  log(metrics: Metrics): void {
    this.metrics.add(metrics);
  }

  /** The same for `timing.jsonl`. */
  logTiming(timing: object): void {
    this.timing.add(timing);
  }

  /** Writes what has been logged; says where `metrics.jsonl` ends now. */
  async flush(): Promise<LineMark> {
    await this.timing.flush();
    return this.metrics.flush();
  }

  /** From now on there is a checkpoint or a result: an error leaves the folder. */
  keep(): void {
    this.kept = true;
  }

  /** Drops what a continued run will write again: the metrics behind `mark`, and the timing of epochs after `epoch`; or everything. */
  async rewind(mark?: LineMark, epoch = 0): Promise<void> {
    await this.metrics.rewind(mark);
    await this.timing.keep((record) => Number(record.epoch) <= epoch);
  }

  /** Writes `report.html` from what the folder holds. */
  async report(title: string, adapter: string): Promise<void> {
    const [metrics, timing] = [await this.metrics.read(), await this.timing.read()];
    await this.write('report.html', reportHtml({ title, adapter, config: this.config, metrics, timing }));
  }

  write(name: string, data: Uint8Array | string): Promise<void> {
    return this.platform.write(this.join(name), data);
  }

  /** Gives the folder to others. After an error a folder without anything to continue goes. */
  async close({ failed = false } = {}): Promise<void> {
    const { platform, path } = this;
    try {
      await platform.removeLeftovers?.(path);
      await platform.removeLeftovers?.(this.join('checkpoints'));
      if (failed && !this.kept) {
        // A checkpoint that could not be flushed may be there. config.yaml goes last: without it, what else stays is no run.
        for (const name of ['checkpoints', METRICS, TIMING, CONFIG]) await platform.remove(this.join(name));
      }
    } catch (error) {
      this.note(`${path} is not tidied up: ${(error as Error).message}`);
    } finally {
      await this.unlock();
      if (failed && !this.kept && this.made) await platform.removeEmpty?.(path);
    }
  }
}

/** Opens the folder of a run for `work`, and closes it behind it however it ends. */
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

/** The settings of the finished or interrupted run in `path`. */
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
 * Parses YAML. What is no plain YAML (tags, more aliases than people write) is an error as a mistake in its syntax is.
 *
 * @throws UserError with file, line and column
 */
export function readYaml(file: string, text: string): unknown {
  const refused = (problem: string) => new UserError(`${file}: ${readable(problem)}`, 'correct the YAML');
  if (text.length > MAX_YAML) throw refused(`it has ${text.length} characters, too many for settings`);
  try {
    // Warnings are taken from the document: the library would print them.
    const document = parseDocument(text, { logLevel: 'error' });
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw problem;
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw refused((error as Error).message.split('\n')[0]!);
  }
}
