/** The command line of the example: reads flags, draws the emoji, trains, and prints a table. */
import { Command, Option } from 'commander';
import { emojiClipFolder } from '../../cli/demo/emoji.js';
import { addGpuOptions, type GpuFlags } from '../../cli/device/gpu.js';
import { withJob } from '../../cli/device/job.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { seconds } from '../../cli/terminal/progress.js';
import { report } from '../../cli/terminal/report.js';
import { formatAccuracies } from '../../cli/terminal/table.js';
import { loadTokenizer } from '../../models/clip/tokenizerFile.js';
import type { Job } from '../../models/job.js';
import { parseSettings } from '../../models/promptkd/shared/settings.js';
import { type Drawing, draw, listSubjects, readClasses, readIcons, UNSEEN_STYLE } from './drawings.js';
import { type PretrainData, pretrain } from './pretrain.js';
import { clipConfig, MODELS, type Settings, SettingsSchema, STYLES } from './settings.js';

/** Of the drawings with a class every so many-th is kept from training, to evaluate on. */
const HELD_OUT = 12;

const HELP = `
Trains both encoders of a small CLIP from nothing on emoji, each with a caption, by AdamW on the symmetric contrastive loss.
The folder gets config.yaml, metrics.jsonl, checkpoints/, and the CLIP: model.safetensors, config.json and tokenizer.json.
Two accuracies over the 28 classes of emoji-clip/domain.json are printed: of held-out drawings in the styles seen in training,
and of the style fluent-emoji-flat, which is not.

Example:
  npm start -- --model small --out runs/small
  npm start -- --model teacher --epochs 60 --batch 128 --out runs/teacher
Next:
  npx promptkd eval --clip runs/teacher --data DATA`;

interface Flags extends GpuFlags {
  readonly out: string;
  readonly resume?: boolean;
}

const number = (text: string) => Number(text);

function command(): Command {
  const program = new Command('pretrain')
    .description('trains a small CLIP from scratch on emoji')
    .exitOverride();
  program
    .requiredOption('--out <folder>', 'the run folder, which becomes a CLIP')
    .option('--resume', 'continue an interrupted run')
    .addOption(new Option('--model <size>', 'the architecture').choices(Object.keys(MODELS)).default('small'))
    .addOption(new Option('--styles <style...>', 'styles to learn from (default: all)').choices(STYLES))
    .option('--seed <n>', 'decides initial weights, order, captions and views (default: 1)', number)
    .option('--epochs <n>', 'passes over the drawings (default: 20)', number)
    .option('--batch <n>', 'pairs of a step (default: 32)', number)
    .option('--learning-rate <rate>', 'of AdamW, after the warm-up (default: 0.0007)', number)
    .option('--warmup-epochs <n>', 'epochs of linear warm-up (default: 2)', number)
    .option('--weight-decay <share>', 'decay of matrices (default: 0.1)', number)
    .option('--clip-norm <length>', 'largest length of the gradients (default: 1)', number)
    .option('--name-share <share>', 'captions with the name where there is a class (default: 0.3)', number)
    .option('--crop-edge <share>', 'smallest share of a drawing’s edge in a crop (default: 0.7)', number)
    .option('--evaluate-every <n>', 'epochs between evaluations (default: 5)', number)
    .addHelpText('after', HELP);
  program.configureOutput({ outputError: () => {} });
  return addGpuOptions(program).action(run);
}

async function run(flags: Flags): Promise<void> {
  const { out, resume, adapter: _adapter, level: _level, ...given } = flags;
  const settings = parseSettings(SettingsSchema, given, 'the flags');
  const started = performance.now();
  await withJob(flags, async (job) => {
    const data = await prepare(job, settings);
    const config = clipConfig(MODELS[settings.model], data.tokenizer.vocabularySize);
    const found = await pretrain(job, data, config, settings, out, { resume });
    const rows = Object.entries(found).map(([name, accuracy]) => ({
      name: `${settings.model}, ${name}`,
      ...accuracy,
    }));
    process.stdout.write(formatAccuracies(rows));
  });
  process.stdout.write(`the CLIP is in ${out}; ${seconds(performance.now() - started)}\n`);
}

/** Draws everything that is trained on or evaluated on. */
async function prepare(job: Job, { styles }: Settings): Promise<PretrainData> {
  const classes = await readClasses();
  const icons = new Map(
    await Promise.all(styles.map(async (style) => [style, await readIcons(style)] as const)),
  );
  const unseenIcons = new Map([[UNSEEN_STYLE, await readIcons(UNSEEN_STYLE)]]);
  const subjects = listSubjects(icons, classes);
  const unseen = listSubjects(unseenIcons, classes).filter(({ label }) => label !== undefined);
  const bar = job.begin('drawing the emoji', subjects.length + unseen.length);
  const drawings = await draw([...subjects, ...unseen], new Map([...icons, ...unseenIcons]), bar);
  bar.end();
  const seen = drawings.slice(0, subjects.length);
  const isHeld = ({ label }: Drawing, i: number) => label !== undefined && i % HELD_OUT === 0;
  const file = nodePlatform.join(emojiClipFolder(), 'teacher', 'tokenizer.json');
  return {
    training: seen.filter((drawing, i) => !isHeld(drawing, i)),
    held: { 'seen styles': seen.filter(isHeld), 'unseen style': drawings.slice(subjects.length) },
    classNames: classes.map((emoji) => emoji.class),
    tokenizer: await loadTokenizer(nodePlatform, file),
    tokenizerFile: await nodePlatform.readText(file),
  };
}

process.on('SIGINT', () => process.exit(130));
let code = 0;
try {
  await command().parseAsync();
} catch (error) {
  code = report(error, (text) => process.stderr.write(text), process.env);
}
// Dawn keeps threads of its own; the command is over when its output is written.
process.stdout.write('', () => process.exit(code));
