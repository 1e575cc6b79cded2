/** Pre-training as a job: drawings in, a run folder out that is a CLIP as well. */
import { mebibytes, Plan, write } from '../../engine/index.js';
import { tokenizeClasses } from '../../models/clip/classPrompts.js';
import type { ClipConfig } from '../../models/clip/config.js';
import { PLAIN_TEMPLATE } from '../../models/clip/templates.js';
import type { Tokenizer } from '../../models/clip/tokenizer.js';
import { Weights } from '../../models/clip/weights.js';
import type { Job } from '../../models/job.js';
import type { Accuracy } from '../../models/promptkd/shared/evaluate.js';
import { Random } from '../../models/random.js';
import { stateOf } from '../../models/runs/checkpoints.js';
import { type RunFolder, withRunFolder } from '../../models/runs/runFolder.js';
import { train } from '../../models/runs/train.js';

import { Captions, spoken } from './captions.js';
import type { Drawing } from './drawings.js';
import { Evaluator } from './evaluator.js';
import { initialWeights, stepGraph } from './model.js';
import { type PairBatch, Pairs } from './pairs.js';
import { encodeConfig, encodeWeights } from './save.js';
import type { Settings } from './settings.js';

/** Everything that a run reads. */
export interface PretrainData {
  /** Labelled or not; everything that is trained on. */
  readonly training: readonly Drawing[];
  /** Labelled drawings to evaluate on, by the name of the set. */
  readonly held: Readonly<Record<string, readonly Drawing[]>>;
  readonly classNames: readonly string[];
  readonly tokenizer: Tokenizer;
  /** Content of the tokenizer's file, kept beside the weights. */
  readonly tokenizerFile: string;
}

/** Linear warm-up, then a cosine down to 0 after the last epoch. */
export function rateOf(
  { learningRate, warmupEpochs, epochs }: Pick<Settings, 'learningRate' | 'warmupEpochs' | 'epochs'>,
  epoch: number,
): number {
  if (epoch <= warmupEpochs) return (learningRate * epoch) / (warmupEpochs + 1);
  const progress = (epoch - warmupEpochs - 1) / Math.max(1, epochs - warmupEpochs);
  return 0.5 * learningRate * (1 + Math.cos(Math.PI * progress));
}

/**
 * Trains a CLIP of architecture `config` from scratch; `out` becomes its folder. Returns the accuracies at the end.
 *
 * @param resume continue the interrupted run in `out`, with the bits of one that was not
 */
export function pretrain(
  job: Job,
  data: PretrainData,
  config: ClipConfig,
  settings: Settings,
  out: string,
  { resume = false } = {},
): Promise<Readonly<Record<string, Accuracy>>> {
  const options = { resume, note: job.note };
  return withRunFolder(job.platform, out, 'pretrain', settings, options, (folder) =>
    trainIn(folder, job, data, config, settings),
  );
}

async function trainIn(
  folder: RunFolder,
  job: Job,
  data: PretrainData,
  config: ClipConfig,
  settings: Settings,
): Promise<Readonly<Record<string, Accuracy>>> {
  const { gpu } = job;
  const { batch, seed, epochs } = settings;
  const { classNames, tokenizer } = data;
  const subjects = new Set([...data.training.map(({ name }) => spoken(name)), ...classNames]);
  const captions = new Captions(tokenizer, subjects);
  const pairs = new Pairs(data.training, classNames, captions, {
    ...settings,
    size: config.vision.resolution,
  });

  const named = initialWeights(config, Random.of(seed, 'weights'));
  const graph = stepGraph(named, config, { ...settings, length: captions.length });
  const compiling = job.begin('compiling the step', 1);
  const plan = await Plan.compile(
    gpu,
    { outputs: [graph.loss], updates: graph.optimiser.updates, loss: graph.loss },
    { onProgress: (done, total) => compiling.update(done / total) },
  );
  const classCaptions = tokenizeClasses(tokenizer, PLAIN_TEMPLATE, classNames, config.text.contextLength);
  const evaluator = await Evaluator.create(gpu, new Weights(named), config, classCaptions);
  compiling.end();
  const { flops, total } = plan.describe();
  job.note(
    `${pairs.drawings.length} drawings, ${pairs.batchesPerEpoch} steps an epoch; a step of ${batch} pairs: ` +
      `${(flops / 1e9).toFixed(1)} GFLOP, ${mebibytes(total, 0)}`,
  );

  const evaluate = async () => {
    const found: Record<string, Accuracy> = {};
    for (const [name, drawings] of Object.entries(data.held))
      found[name] = await evaluator.accuracy(drawings);
    return found;
  };
  const percents = (found: Readonly<Record<string, Accuracy>>) =>
    Object.fromEntries(Object.entries(found).map(([name, { all }]) => [name, Math.round(all * 10) / 10]));
  await train<PairBatch>(job, folder, {
    label: `training the ${settings.model} CLIP`,
    epochs,
    loader: pairs,
    batch,
    flops,
    rate: (epoch) => rateOf(settings, epoch),
    step: ({ images, tokens, endRows, excluded }, _epoch, rate) => {
      write(gpu, graph.images, images);
      write(gpu, graph.tokens, tokens);
      write(gpu, graph.endRows, endRows);
      write(gpu, graph.excluded, excluded);
      write(gpu, graph.rate, Float32Array.of(rate));
      plan.run();
    },
    losses: async () => ({ losses: { loss: (await plan.read(graph.loss))[0]! } }),
    endEpoch: async (epoch) => {
      if (epoch % settings.evaluateEvery !== 0 && epoch !== epochs) return;
      const found = percents(await evaluate());
      folder.log({ epoch, ...found });
      const text = Object.entries(found).map(([name, percent]) => `${name} ${percent.toFixed(1)} %`);
      job.note(`epoch ${epoch}: accuracy ${text.join(', ')}`);
    },
    state: stateOf(graph.parameters, graph.optimiser.state),
  });

  const found = await evaluate();
  const said = Object.entries(percents(found)).map(([name, percent]) => [
    `accuracy.${name}`,
    String(percent),
  ]);
  const metadata = { adapter: gpu.adapter.name, seed: String(seed), ...Object.fromEntries(said) };
  await folder.flush();
  await folder.write('model.safetensors', await encodeWeights(gpu, named, metadata));
  await folder.write('config.json', encodeConfig(config));
  await folder.write('tokenizer.json', data.tokenizerFile);
  evaluator.destroy();
  plan.destroy();
  return found;
}
