/** What a process holds: memory of the host and of the device, and handles. */
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Gpu } from '../../engine/gpu/gpu.js';

export interface Usage {
  /** Resident bytes of the process. */
  readonly resident: number;
  /** Live bytes of the garbage collector and what hangs on them. */
  readonly live: number;
  /** Bytes of buffers that are made and not destroyed. */
  readonly device: number;
  readonly buffers: number;
  /** What keeps the event loop busy, and open files. */
  readonly handles: number;
}

export const KINDS = ['resident', 'live', 'device', 'buffers', 'handles'] as const;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Counts buffers from now on; call it before any is made. */
export function watchBuffers({ device }: Pick<Gpu, 'device'>): () => Pick<Usage, 'device' | 'buffers'> {
  let bytes = 0;
  let buffers = 0;
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    let there = true;
    bytes += descriptor.size;
    buffers++;
    buffer.destroy = () => {
      if (there) {
        bytes -= descriptor.size;
        buffers--;
      }
      there = false;
      return destroy();
    };
    return buffer;
  };
  return () => ({ device: bytes, buffers });
}

/** Open files of this process, where the system lists them. */
function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

export function readUsage(buffers: () => Pick<Usage, 'device' | 'buffers'>): Usage {
  collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    resident: rss,
    live: heapUsed + external,
    ...buffers(),
    handles: process.getActiveResourcesInfo().length + openFiles(),
  };
}

/** The least of each over some moments: what is under way at one of them does not count. */
export function least(samples: readonly Usage[]): Usage {
  const of = (kind: keyof Usage) => Math.min(...samples.map((sample) => sample[kind]));
  return Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as unknown as Usage;
}

/** What an allocator keeps for later is no growth of ours: resident memory counts where it gives back what is free. */
const RETURNS = process.env.MALLOC_TRIM_THRESHOLD_ !== undefined;
const CHECKED = KINDS.filter((kind) => kind !== 'resident' || RETURNS);

/** The kinds of which there is more than 2 % more. */
export function growth(early: Usage, late: Usage): string | undefined {
  const grown = CHECKED.filter((kind) => late[kind] > 1.02 * early[kind]);
  if (grown.length === 0) return undefined;
  return grown.map((kind) => `${kind} grew from ${early[kind]} to ${late[kind]}`).join(', ');
}
