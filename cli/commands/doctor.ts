/** `promptkd doctor`: the adapters, which one is used and why, and how to fix what is missing. */
import type { Command } from 'commander';
import pc from 'picocolors';
import { type AdapterSummary, type Gpu, listAdapters } from '../../engine/gpu/gpu.js';
import { type SelfCheck, selfCheck } from '../../engine/gpu/selfCheck.js';
import { adapterReason, addGpuOptions, commandGpu, driverHint, type GpuFlags } from '../device/gpu.js';
import { kernelStoreOf } from '../device/kernelStore.js';
import { MARKER, type VulkanState, vulkanState } from '../platform/relaunch.js';
import { addHelp } from '../terminal/help.js';
import { print, printJson } from '../terminal/output.js';

const SHOWN_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
] as const;

interface Report {
  readonly node: string;
  /** Deno's version; under Deno `node` is the version that it imitates. */
  readonly deno?: string;
  readonly system: string;
  readonly vulkan: VulkanState | 'embedded';
  readonly adapters: readonly AdapterSummary[];
  readonly chosen: { name: string; backend: string; driver: string; software: boolean; reason: string };
  readonly capabilities: Gpu['capabilities'];
  readonly limits: Readonly<Record<string, number>>;
  readonly check: SelfCheck;
  /** What is stored about the kernels on the adapter (cli/device/kernelStore.ts). */
  readonly kernels: { path: string; tried: number; refused: readonly string[]; timed: number };
  readonly hints: readonly string[];
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('doctor')
    .description('show the adapters, which one is used and why, and run a numeric self-check')
    .option('--json', 'print the report as JSON, for programs and bug reports');
  addHelp(addGpuOptions(command, { tune: false }), {
    about: ['Exit code 1 if the self-check fails.'],
    examples: ['promptkd doctor', 'promptkd doctor --adapter swiftshader --json'],
    next: ['promptkd demo'],
  }).action(async (flags: GpuFlags & { json?: boolean }) => {
    const gpu = await commandGpu(flags);
    const report = await examine(gpu, flags);
    gpu.destroy();
    await (flags.json ? printJson(report) : print(format(report)));
    if (!report.check.ok) process.exitCode = 1;
  });
}

const runtime = ({ deno, node }: Report) => (deno ? `Deno ${deno}` : `Node ${node}`);

async function examine(gpu: Gpu, flags: GpuFlags): Promise<Report> {
  const { name, backend, driver, software } = gpu.adapter;
  const { limits } = gpu.device;
  const check = await selfCheck(gpu);
  return {
    node: process.version,
    ...(process.versions.deno && { deno: process.versions.deno }),
    system: `${process.platform} ${process.arch}`,
    vulkan: process.env[MARKER] === undefined ? vulkanState() : 'embedded',
    adapters: await listAdapters(),
    chosen: { name, backend, driver, software, reason: adapterReason(gpu, flags) },
    capabilities: gpu.capabilities,
    limits: Object.fromEntries(SHOWN_LIMITS.map((limit) => [limit, limits[limit]])),
    check,
    kernels: kernelsOf(gpu),
    hints: hintsFor(gpu, check),
  };
}

function kernelsOf(gpu: Gpu): Report['kernels'] {
  const { path, stored } = kernelStoreOf(gpu);
  const verdicts = Object.values(stored.verdicts);
  const refused = verdicts.filter((verdict) => verdict !== '');
  return { path, tried: verdicts.length, refused, timed: Object.keys(stored.choices).length };
}

function hintsFor({ adapter, capabilities }: Gpu, check: SelfCheck): string[] {
  const list: string[] = [];
  if (!check.ok)
    list.push(`update the driver (${adapter.driver || adapter.name}): the adapter computes wrong numbers`);
  if (adapter.software) {
    list.push(`to use a GPU instead of this software adapter: ${driverHint()}`);
    if (process.platform === 'linux' && !capabilities.f16)
      list.push(
        'on Debian, run scripts/install-lavapipe.sh as root for a faster software adapter with half precision',
      );
  } else if (!capabilities.f16) {
    list.push(
      "update the GPU's driver to use half precision (shader-f16 is missing); float32 works without it",
    );
  }
  return list;
}

function format(report: Report): string {
  const { chosen, capabilities, check, kernels } = report;
  const yes = (ok: boolean) => (ok ? pc.green('yes') : pc.dim('no'));
  const size = capabilities.subgroupSize?.join(' to ');
  const matrices = capabilities.subgroupMatrix.map(
    (c) => `${c.M}x${c.N}x${c.K} ${c.componentType}->${c.resultComponentType}`,
  );
  const rows: [string, string][] = [
    ['system', `${report.system}, ${runtime(report)}, Vulkan: ${report.vulkan}`],
    ...report.adapters.map((a, i): [string, string] => [
      i === 0 ? 'adapters' : '',
      `${a.name} (${a.backend}, ${a.software ? 'software' : 'GPU'}; ${a.driver})`,
    ]),
    ['used', `${pc.bold(chosen.name)}: ${chosen.reason}`],
    ['level', capabilities.level],
    ['half precision', yes(capabilities.f16)],
    ['subgroups', capabilities.subgroups ? `${yes(true)}, ${size} lanes` : yes(false)],
    ['matrices', matrices.join(', ') || yes(false)],
    ['timestamps', yes(capabilities.timestamps)],
    ...Object.entries(report.limits).map(([name, value]): [string, string] => [name, amount(name, value)]),
    [
      'self-check',
      `${check.ok ? pc.green('ok') : pc.red('WRONG')}, ` +
        `${check.fault ?? `largest relative error ${check.error.toExponential(1)}`}, ${check.milliseconds.toFixed(1)} ms`,
    ],
    [
      'kernels',
      `${kernels.tried} checked before their first use, ${kernels.refused.length} rejected; ${kernels.timed} choices timed (${kernels.path})`,
    ],
    ...kernels.refused.map((fault): [string, string] => ['', fault]),
    ...report.hints.map((hint): [string, string] => ['hint', hint]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${pc.dim(name.padEnd(width))}  ${value}\n`).join('');
}

/** A limit is not rounded up. */
function amount(name: string, value: number): string {
  if (!name.endsWith('Size')) return String(value);
  return value >= 2 ** 20 ? `${Math.floor(value / 2 ** 20)} MiB` : `${Math.floor(value / 1024)} KiB`;
}
