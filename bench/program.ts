/** The commander program of `npm run bench -- …`: measurements for people who write kernels. */
import { Command, Option } from 'commander';
import { parseCount } from '../cli/settings.js';
import { helpFormat } from '../cli/terminal/help.js';
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

const list = (text: string) => text.split(',');
const numbers = (text: string) => list(text).map(parseCount);
const model = (flags: string, text: string) => new Option(flags, `${text}: ${MODEL_NAMES.join(', ')}`);

/** Adds a measurement; its action prints what `run` returns. */
function add<Flags>(
  program: Command,
  name: string,
  description: string,
  run: (flags: Flags, argument: string) => Promise<string>,
): Command {
  return program
    .command(name)
    .description(description)
    .option('--quick', 'small sizes, to test that everything runs')
    .option('--repeats <n>', 'samples per measurement', parseCount, 5)
    .addOption(
      new Option(
        '--level <level>',
        'GPU features that kernels may use (default: the best of the adapter)',
      ).choices(['portable', 'subgroups', 'matrix']),
    )
    .option('--out <path>', 'write PATH.json and PATH.md (default: in bench/results/)')
    .action(async (...args: unknown[]) => {
      const command = args.at(-1) as Command;
      process.stdout.write(await run(command.opts() as Flags, command.args[0] ?? ''));
    });
}

const filtered = (command: Command) =>
  command
    .option('--only <kinds>', 'only these kinds, separated by commas', list)
    .option('--shapes <texts>', 'only cases whose name, without spaces, contains one of these', list);

/** The program with every measurement, ready to parse. Errors are thrown. */
export function createBenchProgram(): Command {
  const program = new Command('bench')
    .description('measure kernels, steps and peers; print Markdown, and store it with JSON in bench/results/')
    .exitOverride()
    .configureHelp(helpFormat)
    .configureOutput({ outputError: () => {} });
  const measure = <Flags>(
    name: string,
    description: string,
    run: (flags: Flags, argument: string) => Promise<string>,
  ) => add(program, name, description, run);

  filtered(
    measure('kernels', 'every kernel family at the shapes of ViT-B/16 and ViT-L/14', runKernels).option(
      '--precision <list>',
      'storage of matrices and activations',
      list,
      ['f32', 'f16'],
    ),
  );
  filtered(
    measure('ladder', 'versions of one kernel, from naive to best', runLadder).argument('<kernel>', 'gemm'),
  );
  measure('encoder', 'a CLIP image encoder with random weights', runEncoder)
    .addOption(model('--model <name>', 'model of the encoder').default('ViT-B/16'))
    .option('--batches <list>', 'batch sizes', numbers, [1, 8])
    .option('--precision <list>', 'f32, f16 or both', list, ['f32']);
  measure(
    'step',
    'training steps of both stages; stage 2 also without fusion, plan and stored class vectors',
    runStep,
  )
    .addOption(model('--model <name>', 'the student (default: depends on the adapter)'))
    .addOption(model('--teacher <name>', 'the teacher (default: depends on the adapter)'))
    .option('--classes <n>', 'classes (default: depends on the adapter)', parseCount)
    .option('--batch <n>', 'images per step', parseCount, 8)
    .option('--precision <name>', 'f32 or f16', 'f32')
    .option('--stage <list>', 'stages, separated by commas', numbers, [1, 2])
    .option('--no-naive', 'skip the comparison of stage 2');
  measure('profile', 'where the time of a training step goes, kernel by kernel', runProfile)
    .addOption(model('--model <name>', 'the student (default: depends on the adapter)'))
    .addOption(model('--teacher <name>', 'the teacher (default: depends on the adapter)'))
    .option('--classes <n>', 'classes (default: depends on the adapter)', parseCount)
    .option('--batch <n>', 'images per step', parseCount, 8)
    .option('--precision <name>', 'f32 or f16', 'f32')
    .option('--stage <list>', 'stages, separated by commas', numbers, [2]);
  measure(
    'host',
    "host time to queue a planned step, on Dawn's null backend and on the adapter",
    runHostCost,
  );
  measure(
    'pipelines',
    'number of pipelines that each command needs on several kinds of GPUs, without running them',
    runPipelines,
  );
  measure('loader', 'reading, decoding and cropping images', runLoader)
    .option('--data <path>', 'folder of images or data set (default: generated images)')
    .option('--batch <n>', 'images per batch', parseCount, 8);
  measure('start', 'time from a command to its first training step, with empty and full caches', runStart)
    .option('--models <teacher,student>', "published models, with random weights (default: the demo's)", list)
    .option('--commands <list>', 'demo, verify, teacher, distill', list, ['demo', 'distill'])
    .option('--precision <name>', 'f32 or f16', 'f16')
    .setOptionValueWithSource('repeats', 1, 'default');
  measure(
    'distill',
    'whole runs of stage 2: with and without decoding threads, with an empty and a full teacher cache',
    runDistill,
  );
  filtered(
    measure(
      'peers',
      'comparison with onnxruntime-node, onnxruntime-web, tfjs and jax-js on the same adapter',
      runPeers,
    )
      .option('--peers <names>', 'only these peers', list)
      .option('--batches <list>', 'batch sizes of the image encoder', numbers, [1])
      .option('--append', 'keep the rows of an earlier call in the same file'),
  );

  return program;
}
