/**
 * The folder of a run: `config.yaml` (complete, re-runnable), `metrics.jsonl`, `timing.jsonl`, `checkpoints/`, `report.html`
 * and results. All but `timing.jsonl`, which the report shows too, depend on nothing but settings, data and adapter.
 * It appears when the first epoch is done, so that a run that fails on its input leaves nothing behind.
 */
import { parse, stringify } from 'yaml';
import { UserError } from '../../engine/errors.js';
import type { Platform } from '../platform.js';
import { reportHtml } from './report.js';

/** The two stages; `pretrain` is examples/pretrain/, whose run folders are CLIPs. */
export type RunKind = 'teacher' | 'student' | 'pretrain';
export type Metrics = Readonly<Record<string, number | string>>;

const CONFIG = 'config.yaml';
const METRICS = 'metrics.jsonl';
const TIMING = 'timing.jsonl';

export class RunFolder {
  private lines = { [METRICS]: [] as string[], [TIMING]: [] as string[] };
  private exists: boolean;

  private constructor(
    private readonly platform: Platform,
    readonly path: string,
    private readonly config: string,
    exists: boolean,
  ) {
    this.exists = exists;
  }

  /**
   * Prepares a run at `path` without writing anything yet.
   *
   * @param resume continue the run that is there; its settings must be the same
   * @throws UserError when `path` holds a run (or anything else) and `resume` is not set
   */
  static async open(
    platform: Platform,
    path: string,
    kind: RunKind,
    settings: object,
    resume: boolean,
  ): Promise<RunFolder> {
    const config = stringify({ kind, ...settings });
    const there = await platform.stat(path);
    if (there?.kind === 'file')
      throw new UserError(`the output ${path} is a file`, 'give a folder that does not exist yet');
    const present = there && (await platform.list(path)).length > 0;
    const isRun = present && (await platform.stat(platform.join(path, CONFIG))) !== undefined;
    if (present && !isRun)
      throw new UserError(`the output folder ${path} is not empty`, 'give a folder that does not exist yet');
    if (present && !resume)
      throw new UserError(
        `the output folder ${path} already holds a run`,
        'give another folder, add --resume to continue it, or delete it',
      );
    if (present && (await platform.readText(platform.join(path, CONFIG))) !== config)
      throw new UserError(
        `the run in ${path} has other settings`,
        `continue it with the settings of its ${CONFIG}, or give another folder`,
      );
    return new RunFolder(platform, path, config, Boolean(present));
  }

  join(...parts: string[]): string {
    return this.platform.join(this.path, ...parts);
  }

  /** Keeps a line for `metrics.jsonl` until the next `flush`. */
  log(metrics: Metrics): void {
    this.lines[METRICS].push(JSON.stringify(metrics));
  }

  /** The same for `timing.jsonl`. */
  logTiming(timing: object): void {
    this.lines[TIMING].push(JSON.stringify(timing));
  }

  /** Writes what has been logged; makes the folder the first time. */
  async flush(): Promise<void> {
    if (!this.exists) {
      await this.platform.write(this.join(CONFIG), this.config);
      this.exists = true;
    }
    for (const name of [METRICS, TIMING] as const) {
      const lines = this.lines[name].splice(0);
      if (lines.length > 0) await this.platform.append(this.join(name), lines.join('\n'));
    }
  }

  /** Drops lines of epochs after `epoch`, which a continued run will write again, and a last one that was cut off. */
  async rewind(epoch: number): Promise<void> {
    for (const name of [METRICS, TIMING]) {
      const kept = (await this.records(name))?.filter((record) => Number(record.epoch) <= epoch);
      if (kept) await this.write(name, kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
    }
  }

  /** What the complete lines of a file say; undefined where there is no such file. */
  private async records(name: string): Promise<Metrics[] | undefined> {
    const path = this.join(name);
    if (!(await this.platform.stat(path))) return undefined;
    const lines = (await this.platform.readText(path)).split('\n');
    // What is behind the last line break was not written to its end, or is nothing.
    return lines
      .slice(0, -1)
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Metrics);
  }

  /** Writes `report.html` from what the folder holds. */
  async report(title: string, adapter: string): Promise<void> {
    const [metrics = [], timing = []] = [await this.records(METRICS), await this.records(TIMING)];
    await this.write('report.html', reportHtml({ title, adapter, config: this.config, metrics, timing }));
  }

  write(name: string, data: Uint8Array | string): Promise<void> {
    return this.platform.write(this.join(name), data);
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
    throw new UserError(
      `the run folder ${path} does not exist`,
      `train one with: promptkd ${kind === 'teacher' ? 'teacher' : 'distill'}`,
    );
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

/** Parses YAML; a syntax error becomes a message with file, line and column. */
export function readYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new UserError(`${file}: ${(error as Error).message.split('\n')[0]}`, 'correct the YAML');
  }
}
