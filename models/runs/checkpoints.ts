/**
 * The checkpoints of a run: everything that a later process needs to resume it with the same bits. The last two good ones are
 * kept, so a damaged one costs minutes, not the run.
 *
 *     checkpoints/epoch-0003.safetensors                after the third epoch
 *     checkpoints/epoch-0004-batch-000120.safetensors   within the fourth, after 120 batches
 */
import * as v from 'valibot';
import { readLeaf, type Tensor, UserError, write } from '../../engine/index.js';
import { crc32Of } from '../../formats/crc32.js';
import { encodeSafetensors, openSafetensors, type TensorToWrite } from '../../formats/safetensors.js';
import type { Job } from '../job.js';
import { otherSettings } from './changes.js';
import type { RunFolder } from './runFolder.js';

/** Named variables; names must be unique. */
export type StateTensors = ReadonlyMap<string, Tensor>;

/** Parameters, optimiser state and further variables under their labels. */
export function stateOf(...groups: readonly (readonly Tensor[])[]): StateTensors {
  return new Map(groups.flat().map((tensor) => [tensor.label, tensor]));
}

/** How far a run is. */
export interface Position {
  /** Whole epochs done. */
  readonly epoch: number;
  /** Batches done of the next one. */
  readonly batch: number;
  /** Sum of their losses. */
  readonly lossSum: number;
}

/** Before the first batch. */
export const BEGINNING: Position = { epoch: 0, batch: 0, lossSum: 0 };

/** What a run depends on besides its settings: SHA-256 or the like, by name. */
export type Inputs = Readonly<Record<string, string>>;

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** What a checkpoint says of itself: its `Position`, where `metrics.jsonl` ended, and what the run depends on. */
const StoredSchema = v.object({
  epoch: Count,
  batch: Count,
  lossSum: v.pipe(v.number(), v.finite()),
  metrics: v.object({ bytes: Count, crc32: Count }),
  settings: v.string(),
  inputs: v.record(v.string(), v.string()),
});
const StoredText = v.pipe(v.string(), v.parseJson(), StoredSchema);
type Stored = v.InferOutput<typeof StoredSchema>;

const FOLDER = 'checkpoints';
const KIND = 'promptkd checkpoint';
const NAME = /^epoch-\d{4,}(-batch-\d{6,})?\.safetensors$/;

/** Names sort as the run went. */
const nameOf = ({ epoch, batch }: Position): string => {
  const whole = (n: number) => `epoch-${String(n).padStart(4, '0')}`;
  return `${batch === 0 ? whole(epoch) : `${whole(epoch + 1)}-batch-${String(batch).padStart(6, '0')}`}.safetensors`;
};

/** "epoch 3", or "batch 120 of epoch 4". */
export const describePosition = ({ epoch, batch }: Position): string =>
  batch === 0 ? `epoch ${epoch}` : `batch ${batch} of epoch ${epoch + 1}`;

/** Writes and restores the checkpoints of one run. */
export class Checkpoints {
  /** Names of checkpoints known to be good, oldest first. */
  private good: string[] = [];

  constructor(
    private readonly job: Pick<Job, 'gpu' | 'platform' | 'note'>,
    private readonly folder: RunFolder,
    private readonly state: StateTensors,
    private readonly inputs: Inputs = {},
  ) {}

  /**
   * Fills the variables from the newest intact checkpoint, and truncates the run's metrics to where it was written.
   *
   * @returns how far the run was; undefined without a checkpoint
   * @throws UserError when no checkpoint is intact, or they belong to other settings or inputs
   */
  async restore(): Promise<Position | undefined> {
    const names = await this.list();
    let first: UserError | undefined;
    for (const name of [...names].reverse()) {
      const path = this.folder.join(FOLDER, name);
      try {
        const { stored, values } = await this.read(path);
        this.compare(path, stored);
        for (const [tensor, data] of values) write(this.job.gpu, tensor, data);
        await this.folder.rewind(stored.metrics, stored.epoch);
        this.good = [name];
        this.folder.keep();
        return stored;
      } catch (error) {
        if (!(error instanceof UserError) || error instanceof OtherRun) throw error;
        first ??= error;
        this.job.note(`a checkpoint is left aside: ${error.message}`);
      }
    }
    if (first)
      throw new UserError(
        `no checkpoint of ${this.folder.path} can be read: ${first.message}`,
        `restore one, or delete ${this.folder.join(FOLDER)} to begin anew with --resume`,
      );
    await this.folder.rewind();
    return undefined;
  }

  /** Writes the variables, then deletes older checkpoints except the last good one. */
  async save(position: Position): Promise<void> {
    const { gpu, platform } = this.job;
    const entries: TensorToWrite[] = [];
    for (const [name, tensor] of this.state)
      entries.push({ name, dtype: 'F32', shape: tensor.shape, data: await readLeaf(gpu, tensor) });
    const stored: Stored = {
      ...position,
      metrics: await this.folder.flush(),
      settings: this.folder.config,
      inputs: this.inputs,
    };
    const name = nameOf(position);
    const metadata = { kind: KIND, run: JSON.stringify(stored) };
    const file = encodeSafetensors(entries, metadata, crc32Of(platform));
    await this.folder.write(platform.join(FOLDER, name), file);
    this.folder.keep();
    this.good = [...this.good.filter((other) => other !== name), name].slice(-2);
    for (const old of await this.list())
      if (!this.good.includes(old)) await platform.remove(this.folder.join(FOLDER, old));
  }

  private async list(): Promise<string[]> {
    const { platform } = this.job;
    const path = this.folder.join(FOLDER);
    if (!(await platform.stat(path))) return [];
    return (await platform.list(path))
      .filter(({ name, kind }) => kind === 'file' && NAME.test(name))
      .map(({ name }) => name);
  }

  /** Everything is read before anything is used. */
  private async read(path: string): Promise<{ stored: Stored; values: [Tensor, Float32Array][] }> {
    const { metadata, tensors } = await openSafetensors(this.job.platform, path);
    const damaged = (problem: string) => new UserError(`${path}: ${problem}`, 'restore the file');
    if (metadata.kind !== KIND) throw damaged('it is not a run checkpoint');
    const parsed = v.safeParse(StoredText, metadata.run);
    if (!parsed.success) throw damaged('it does not say where the run was');
    if (tensors.size !== this.state.size)
      throw damaged(`it has ${tensors.size} tensors, and the run has ${this.state.size}`);
    const values: [Tensor, Float32Array][] = [];
    for (const [name, tensor] of this.state) {
      const found = tensors.get(name);
      if (!found) throw damaged(`it lacks "${name}"`);
      if (found.shape.join() !== tensor.shape.join())
        throw damaged(`"${name}" has the shape [${found.shape}], and the run's has [${tensor.shape}]`);
      values.push([tensor, await found.read()]);
    }
    return { stored: parsed.output, values };
  }

  private compare(path: string, { settings, inputs }: Stored): void {
    const changes = this.folder.changes(settings);
    if (changes.length > 0) {
      const { message, hint } = otherSettings(`the run that ${path} belongs to`, changes);
      throw new OtherRun(message, hint);
    }
    const names = Object.keys({ ...inputs, ...this.inputs });
    const other = names.filter((name) => inputs[name] !== this.inputs[name]);
    if (other.length > 0)
      throw new OtherRun(
        `the ${other.join(' and the ')} of ${this.folder.path} ${other.length > 1 ? 'have' : 'has'} changed since ${path} was written`,
        'restore what it was to continue the run, or begin another in another folder',
      );
  }
}

/** The checkpoint is intact but belongs to another run, and so would an older one. */
class OtherRun extends UserError {}
