/**
 * `npm run check`: lint, types, and all tests that are quick on the embedded adapter, in under three minutes on two cores. The slow
 * tests below, kernels for GPUs, other adapters, shaders and reference numbers are left to `.ci/run`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GPU_KERNELS, LONG } from './matrix/rows.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** Test files that take more than some five seconds each. */
const SLOW = [
  ...LONG,
  ...GPU_KERNELS,
  'test/bench/ladder.test.ts',
  'test/checks/shaders/candidateVariants.test.ts',
  'test/checks/verify/trainingCase.test.ts',
  'test/cli/badInput.test.ts',
  'test/cli/endToEnd.test.ts',
  'test/cli/lyingHub.test.ts',
  'test/cli/output.test.ts',
  'test/cli/package.test.ts',
  'test/cli/pull.test.ts',
  'test/engine/addOperation.test.ts',
  'test/engine/gpu/kernelChecks.test.ts',
  'test/engine/half.test.ts',
  'test/engine/kernels/activations.test.ts',
  'test/engine/kernels/matmul/candidates.test.ts',
  'test/engine/ops/attention.test.ts',
  'test/engine/ops/layerNorm.test.ts',
  'test/engine/ops/notFinite.test.ts',
  'test/engine/ops/softmax.test.ts',
  'test/examples/programs.test.ts',
  'test/models/promptkd/shared/health.test.ts',
  'test/models/promptkd/stage2/distillation.test.ts',
  'test/properties/checkpoints.test.ts',
  'test/properties/files.test.ts',
  'test/web/page.test.ts',
];

for (const file of SLOW)
  if (!existsSync(file))
    console.error(`scripts/check.mjs lists ${file}, which does not exist: correct the list`);

const steps = [
  ['lint', 'npm', ['run', '--silent', 'lint']],
  ['types', 'npm', ['run', '--silent', 'typecheck']],
  ['quick tests', 'npm', ['test', '--silent', '--', ...SLOW.flatMap((file) => ['--exclude', file])]],
];
const failed = steps.filter(([name, command, args]) => {
  console.log(`== ${name}`);
  const started = performance.now();
  const { status } = spawnSync(command, args, {
    stdio: 'inherit',
    // Kernels for GPUs take it long to compile.
    env: { PROMPTKD_ADAPTER: 'swiftshader', PROMPTKD_GPU_KERNELS: '0', ...process.env },
    shell: process.platform === 'win32',
  });
  console.log(`== ${name}: exit code ${status}, ${Math.round((performance.now() - started) / 1000)} s`);
  return status !== 0;
});
console.log(
  failed.length === 0 ? 'check: all passed' : `check: failed in ${failed.map(([name]) => name).join(', ')}`,
);
process.exit(failed.length === 0 ? 0 : 1);
