/** The engine's tests under Deno: on lavapipe, and on SwiftShader what lavapipe compiles for minutes. */
import { runVitest } from '../vitest.mjs';

/**
 * Files of kernels with barriers, for GPUs and for attention: lavapipe turns barriers into coroutines, which takes LLVM 2 to 20 seconds a
 * kernel, whoever wrote the SPIR-V. SwiftShader compiles them faster.
 */
const WITH_BARRIERS = [
  'test/engine/gpu/kernelChecks.test.ts',
  'test/engine/kernels/attention/candidates.test.ts',
  'test/engine/kernels/matmul/candidates.test.ts',
  'test/engine/kernels/matmul/skinny.test.ts',
  'test/engine/ops/attention.test.ts',
];
/** Files that are not run under Deno, with the reason. */
const NOT_UNDER_DENO = {
  'test/engine/addOperation.test.ts': 'a copy of the project that is built and checked with Node',
};
/** Of the ways in which a test runs an operation (test/helpers/check.ts), those that Deno has, as it has no subgroups. */
const WITHOUT_SUBGROUPS = '^(?!.*with subgroups)';
/** And of these, kernels for CPU adapters: those for GPUs have barriers. */
const WITHOUT_BARRIERS = '^(?!.*(GPUs|with subgroups))';

/** What of the tests runs on which adapter: arguments of vitest, and files that are left out. */
export const ENGINE_TESTS = {
  lavapipe: {
    args: [
      ...['test/engine', '-t', WITHOUT_BARRIERS],
      ...[...WITH_BARRIERS, ...Object.keys(NOT_UNDER_DENO)].flatMap((file) => ['--exclude', file]),
    ],
    left: NOT_UNDER_DENO,
  },
  swiftshader: { args: [...WITH_BARRIERS, '-t', WITHOUT_SUBGROUPS], left: {} },
};

/** Runs some of them; the counts. A file that is left out counts as one skipped test. */
export function engineTests(deno, environment, { args, left }) {
  for (const [name, reason] of Object.entries(left)) console.log(`skipped: ${name}: ${reason}`);
  const counts = runVitest([...deno, 'run', '-A'], args, { ...environment, DENO_NO_UPDATE_CHECK: '1' });
  return { ...counts, skipped: counts.skipped + Object.keys(left).length };
}
