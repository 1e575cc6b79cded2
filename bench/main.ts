/** `npm run bench -- …`: measurements for people who write kernels. Each prints Markdown and keeps it, with JSON beside it. */
import { Command, Option } from 'commander';
import { parseCount } from '../cli/settings.js';
import { report } from '../cli/terminal/report.js';
import { runDistill } from './distill.js';
import { runEncoder, runKernels } from './kernels.js';
import { runLadder } from './ladder/command.js';
import { runLoader } from './loader.js';
import { runPeers } from './peers/command.js';
import { runPipelines } from './pipelines.js';
import { runStart } from './start/command.js';
import { runStep } from './step/command.js';
import { runHostCost } from './step/hostCost.js';
import { runProfile } from './step/profile.js';
import { MODEL_NAMES } from './workloads/models.js';

const program = new Command('bench')
  .description('measures kernels, steps and peers; prints Markdown and keeps it with JSON in bench/results/')
  .exitOverride();
program.configureOutput({ outputError: () => {} });

const list = (text: string) => text.split(',');
const numbers = (text: string) => list(text).map(parseCount);
const model = (flags: string, text: string) => new Option(flags, `${text}: ${MODEL_NAMES.join(', ')}`);

function add<Flags>(
  name: string,
  description: string,
  run: (flags: Flags, argument: string) => Promise<string>,
): Command {
  return program
    .command(name)
    .description(description)
    .option('--quick', 'small sizes: to see that everything runs')
    .option('--repeats <n>', 'samples of each measurement', parseCount, 5)
    .addOption(
      new Option('--level <level>', 'what kernels may use (default: the best that the adapter has)').choices([
        'portable',
        'subgroups',
        'matrix',
      ]),
    )
    .option('--out <path>', 'where to write path.json and path.md (default: bench/results/…)')
    .action(async (...args: unknown[]) => {
      const command = args.at(-1) as Command;
      process.stdout.write(await run(command.opts() as Flags, command.args[0]));
    });
}

const filtered = (command: Command) =>
  command
    .option('--only <kinds>', 'only these kinds, separated by commas', list)
    .option('--shapes <texts>', 'only cases whose name without blanks contains one of these', list);

filtered(
  add('kernels', 'every kernel family at the shapes of ViT-B/16 and ViT-L/14', runKernels).option(
    '--precision <list>',
    'how matrices and activations are stored',
    list,
    ['f32', 'f16'],
  ),
);
filtered(add('ladder', 'versions of one kernel, from naive to best', runLadder).argument('<kernel>', 'gemm'));
add('encoder', 'a CLIP image encoder with random weights', runEncoder)
  .addOption(model('--model <name>', 'whose').default('ViT-B/16'))
  .option('--batches <list>', 'batch sizes', numbers, [1, 8])
  .option('--precision <list>', 'f32, f16 or both', list, ['f32']);
add(
  'step',
  'training steps of both stages; stage 2 also without fusion, plan and stored class vectors',
  runStep,
)
  .addOption(model('--model <name>', 'the student (default: by the adapter)'))
  .addOption(model('--teacher <name>', 'the teacher (default: by the adapter)'))
  .option('--classes <n>', 'classes (default: by the adapter)', parseCount)
  .option('--batch <n>', 'images a step', parseCount, 8)
  .option('--precision <name>', 'f32 or f16', 'f32')
  .option('--stage <list>', 'which stages', numbers, [1, 2])
  .option('--no-naive', 'leave the comparison of stage 2 out');
add('profile', 'where the time of a training step goes, kernel by kernel', runProfile)
  .addOption(model('--model <name>', 'the student (default: by the adapter)'))
  .addOption(model('--teacher <name>', 'the teacher (default: by the adapter)'))
  .option('--classes <n>', 'classes (default: by the adapter)', parseCount)
  .option('--batch <n>', 'images a step', parseCount, 8)
  .option('--precision <name>', 'f32 or f16', 'f32')
  .option('--stage <list>', 'which stages', numbers, [2]);
add(
  'host',
  "what queueing a planned step costs the host, on Dawn's null backend and on the adapter",
  runHostCost,
);
add('pipelines', 'how many pipelines each command makes on kinds of GPUs: counted, not run', runPipelines);
add('loader', 'reading, decoding and cropping images', runLoader)
  .option('--data <path>', 'a folder of images or a data set (default: generated images)')
  .option('--batch <n>', 'images a batch', parseCount, 8);
add('start', 'from a command to its first training step, with empty and with full caches', runStart)
  .option('--models <teacher,student>', "published ones, with random weights (default: the demo's)", list)
  .option('--commands <list>', 'demo, verify, teacher, distill', list, ['demo', 'distill'])
  .option('--precision <name>', 'f32 or f16', 'f16')
  .setOptionValueWithSource('repeats', 1, 'default');
add(
  'distill',
  'whole runs of stage 2: decoding in threads or not, a teacher cache empty and full',
  runDistill,
);
filtered(
  add('peers', 'ours beside onnxruntime-node, onnxruntime-web, tfjs and jax-js on the same adapter', runPeers)
    .option('--peers <names>', 'only these of them', list)
    .option('--batches <list>', 'batch sizes of the image encoder', numbers, [1])
    .option('--append', 'keep the rows of an earlier call in the same file'),
);

// Ends with the process that started it, so that nothing goes on using the GPU behind the next measurement.
if (process.channel) {
  process.once('disconnect', () => process.exit(137));
  process.channel.unref();
}

let code = 0;
try {
  await program.parseAsync();
} catch (error) {
  code = report(error, (text) => process.stderr.write(text), process.env);
}
// Dawn keeps threads and promises of its own; the command is over when its output is written.
process.stdout.write('', () => process.exit(code));
