/**
 * The list of all checks: a row for each group, and what each column runs for it. A cell is a step (its name in the log, a command, what
 * the table in docs/checking.md says), several of them, or the reason why nothing runs. `command` gets what the machine has.
 */
import { testFilesIn } from '../vitest.mjs';

/** The columns, with their titles. */
export const COLUMNS = {
  swiftshader: 'Node, SwiftShader (embedded)',
  lavapipe: 'Node, lavapipe (Mesa 26)',
  deno: 'Deno, lavapipe (Mesa 26; wgpu, Naga)',
  compiled: 'compiled only',
};

/** What comes before, whatever the adapter; nothing else runs if the first one fails. */
export const PREPARATION = [
  { step: 'install', command: ['npm', 'install'] },
  { step: 'lint', command: ['npm', 'run', 'lint'] },
  { step: 'types', command: ['npm', 'run', 'typecheck'] },
  { step: 'API reference', command: ['npm', 'run', 'docs:api'] },
];

const on = (adapter, more) => () => ({ PROMPTKD_ADAPTER: adapter, ...more });
/**
 * A command on Mesa 26: its LLVM compiles kernels in a fifth of the time that the one behind Debian's Mesa takes, and it alone has
 * subgroup matrices.
 */
const onMesa26 = (command) => ['scripts/mesa-matrix.sh', ...command];
/** The same where Mesa 26 can be unpacked, else on SwiftShader. */
const onTheFaster = (command) => ({
  env: on('swiftshader'),
  command: ({ mesa26 }) => (mesa26 ? onMesa26(command) : command),
});
const npmTest = (...args) => ['npm', 'test', ...(args.length > 0 ? ['--', ...args] : [])];
/** Beside those of the engine, tests of kernels for tensor cores. */
const FOR_MATRICES = ['test/bench/ladder.test.ts', 'test/models/promptkd/steps.test.ts'];
const exclude = (files) => files.flatMap((file) => ['--exclude', file]);

/** Tests of runs and processes rather than numbers: lavapipe takes less than half the time for them. */
export const LONG = [
  ...testFilesIn('test/torture'),
  'test/bench/commands.test.ts',
  'test/cli/ablations.test.ts',
  'test/cli/brokenImages.test.ts',
  'test/cli/export.test.ts',
  'test/cli/fillCache.test.ts',
  'test/cli/imagePool.test.ts',
  'test/cli/reproduce.test.ts',
  'test/cli/resume.test.ts',
  'test/cli/shards.test.ts',
  'test/cli/stop.test.ts',
  'test/cli/tune.test.ts',
  'test/examples/libraries.test.ts',
  'test/examples/pretrainRun.test.ts',
  'test/models/promptkd/deviceLoss.test.ts',
  'test/models/promptkd/files/modelFiles.test.ts',
  'test/models/promptkd/resumedRuns.test.ts',
  'test/models/promptkd/runResources.test.ts',
  'test/models/promptkd/runs.test.ts',
  'test/models/promptkd/shared/stageRun.test.ts',
  'test/models/promptkd/stage2/betweenEpochs.test.ts',
  'test/models/promptkd/stage2/teacherCache.test.ts',
  'test/models/promptkd/wiring.test.ts',
];

/**
 * Tests of kernels that only GPUs are offered, as are parts of others: SwiftShader, which never runs them for a user, takes up to half
 * a minute to compile one.
 */
export const GPU_KERNELS = [
  'test/engine/kernels/attention/candidates.test.ts',
  'test/engine/kernels/matmul/skinny.test.ts',
];

/** Tests that need no device: this one builds a copy of the project. */
const WITHOUT_DEVICE = ['test/engine/addOperation.test.ts'];

/** Tests that bounds are not checked in: these, trials, which compile each kernel once more, and inputs that are NaN. */
const WITHOUT_BOUNDS = [
  ...WITHOUT_DEVICE,
  'test/engine/gpu/kernelChecks.test.ts',
  'test/engine/kernels/attention/candidates.test.ts',
  'test/engine/ops/notFinite.test.ts',
];

const verify = (adapter, step, says, args, needs) => ({
  step: `${step} on ${adapter}`,
  says,
  needs,
  oneCore: true,
  env: on(adapter),
  command: () => ['node', 'dist/cli/main.js', 'verify', ...args],
});
const OF_THE_CLONE = [
  ...[
    'test/goldens/stages',
    'test/goldens/formats',
    'test/goldens/preprocess',
    'test/goldens/tokenizer.json',
  ],
  ...['--tokenizer', 'emoji-clip/teacher/tokenizer.json'],
];
const LARGER = [
  ...['tiny', 'preprocess', 'formats', 'tokenizer.json'].map((name) => `../shared/goldens/${name}`),
  ...['--tokenizer', '../shared/clip-tokenizer/bpe_simple_vocab_16e6.txt.gz'],
];
const IN_HALF = ['../shared/goldens/tiny', '--precision', 'f16'];
const numbersOfTheClone = (adapter, says, needs) =>
  verify(adapter, 'reference numbers of the clone', says, OF_THE_CLONE, needs);
const largerNumbers = (adapter) => [
  verify(adapter, 'reference numbers', 'the larger set', LARGER, 'goldens'),
  verify(adapter, 'reference losses in float16', 'float16', IN_HALF, 'goldens'),
];
const underDeno = (part, step, says) => ({
  step,
  says,
  command: () => ['node', 'scripts/test-deno.mjs', part],
});
const withMesa26 = ({ command, needs = [], ...cell }) => ({
  ...cell,
  needs: ['mesa26', needs].flat(),
  command: () => onMesa26(command()),
});

/** The rows, in the order in which they run: of those that run two at a time, the longest first. */
export const ROWS = [
  {
    id: 'tests',
    title: 'every test: engine, models, runs, commands, pages (`npm test`)',
    cells: {
      swiftshader: {
        step: 'tests on SwiftShader',
        says: 'all except long ones and kernels that only GPUs are offered',
        env: ({ mesa26 }) => ({
          PROMPTKD_ADAPTER: 'swiftshader',
          ...(mesa26 && { PROMPTKD_GPU_KERNELS: '0' }),
        }),
        command: ({ mesa26 }) => npmTest(...(mesa26 ? exclude([...LONG, ...GPU_KERNELS]) : [])),
      },
      lavapipe: {
        step: 'operations and long tests on lavapipe',
        says: 'the engine; torture in short, and other tests of runs and processes; the rest manually',
        needs: 'mesa26',
        command: () => onMesa26(npmTest('test/engine', ...FOR_MATRICES, ...LONG, ...exclude(WITHOUT_DEVICE))),
      },
      deno: withMesa26(underDeno('engine', 'engine under Deno', 'the engine, without subgroups')),
      compiled: 'a test needs results',
    },
  },
  {
    id: 'bounds',
    title: 'bounds of every access (`PROMPTKD_CHECK_BOUNDS=1`)',
    cells: {
      swiftshader: { says: 'where there is no Mesa 26' },
      lavapipe: {
        step: 'bounds',
        says: 'the engine, except trials and NaN tests',
        ...onTheFaster(npmTest('test/engine', ...exclude(WITHOUT_BOUNDS))),
        env: on('swiftshader', { PROMPTKD_CHECK_BOUNDS: '1' }),
      },
      deno: 'the checks are part of the WGSL, which is the same',
      compiled: 'a check needs results',
    },
  },
  {
    id: 'matrices',
    title: 'tensor-core kernels',
    cells: {
      swiftshader: 'it has no matrices',
      lavapipe: { says: 'with the tests above' },
      deno: "Deno's WebGPU has no matrices",
      compiled: { says: 'with the shaders below' },
    },
  },
  {
    id: 'commands',
    title: 'the command line in both runtimes',
    cells: {
      swiftshader: {
        says: "Deno too: `doctor`, `teacher`, `distill`, `eval`, `predict`, with Node's numbers",
      },
      lavapipe: { says: 'with the tests above' },
      deno: {
        ...underDeno('commands', 'commands under Deno', "`doctor`, `predict`, on Debian's Mesa"),
        oneCore: true,
      },
      compiled: 'commands need results',
    },
  },
  {
    id: 'numbers',
    title: 'reference numbers (`verify`)',
    cells: {
      swiftshader: [numbersOfTheClone('swiftshader', 'all, float32'), ...largerNumbers('swiftshader')],
      lavapipe: [
        numbersOfTheClone('lavapipe', "all, float32 (on Debian's Mesa)", 'lavapipe'),
        ...largerNumbers('lavapipe').map(withMesa26),
      ],
      deno: {
        ...withMesa26(
          underDeno('numbers', 'reference numbers under Deno', 'the public training case, float32'),
        ),
        oneCore: true,
      },
      compiled: 'numbers need results',
    },
  },
  {
    id: 'exports',
    title: 'exported ONNX files in onnxruntime',
    cells: {
      swiftshader: { says: 'where there is no Mesa 26' },
      lavapipe: {
        step: 'exported ONNX files in onnxruntime',
        says: 'all',
        oneCore: true,
        ...onTheFaster(['npm', 'run', 'test:onnx']),
      },
      deno: 'onnxruntime-node is for Node',
      compiled: 'the files come from runs',
    },
  },
  {
    id: 'slurm',
    title: 'a job array in Slurm',
    cells: {
      swiftshader: { says: 'where there is no Mesa 26' },
      lavapipe: {
        step: 'a job array in Slurm',
        says: 'all',
        oneCore: true,
        ...onTheFaster(['npm', 'run', 'test:slurm']),
      },
      deno: 'its script starts Node',
      compiled: 'it is about runs',
    },
  },
  {
    id: 'shaders',
    title: 'every shader text that the project can produce',
    cells: {
      swiftshader: { says: 'those that run' },
      lavapipe: { says: 'those that run' },
      deno: { says: 'those that run' },
      compiled: [
        {
          step: 'shaders',
          says: 'Tint (null backend), Naga',
          oneCore: true,
          command: () => ['node', 'scripts/check-shaders.mjs'],
        },
        {
          step: 'kernels for AMD',
          says: "AMD's compiler (RADV)",
          oneCore: true,
          command: () => ['node', 'scripts/check-amd.mjs'],
        },
      ],
    },
  },
  {
    id: 'memory',
    title: 'memory of loading ViT-L/14',
    cells: {
      swiftshader: {
        step: 'memory of loading',
        says: 'all',
        oneCore: true,
        command: () => ['node', 'scripts/measure-load.mjs'],
      },
      lavapipe: 'the memory is that of Node',
      deno: 'not measured',
      compiled: 'nothing is compiled',
    },
  },
];
