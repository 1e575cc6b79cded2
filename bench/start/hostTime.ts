/** How much of a CPU profile is work of the host. */

interface Frame {
  readonly functionName: string;
  readonly url: string;
}

/** A profile from V8; times in microseconds. */
export interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: Frame;
    readonly children?: readonly number[];
  }[];
  readonly samples?: readonly number[];
  readonly timeDeltas?: readonly number[];
}

/** Functions of the event loop: what they wait for or call outside JavaScript is not work of this program. */
const PUMPS = new Set(['processImmediate', 'processTimers', 'listOnTimeout', 'runMicrotasks']);

/**
 * Milliseconds of work of the main thread: samples inside functions of this program, its packages or Node (including their calls of
 * a driver or the file system), and garbage collection. Idle time, naps and Dawn's polls for a pending GPU promise do not count.
 */
export function hostMilliseconds({ nodes, samples = [], timeDeltas = [] }: Profile): number {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const works = (id: number): boolean => {
    const { functionName, url } = byId.get(id)!.callFrame;
    if (functionName === '(garbage collector)') return true;
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)!.callFrame;
      if (/\/engine\/waiting\.[jt]s$/.test(frame.url)) return false;
      if (frame.url.startsWith('file:')) return true;
    }
    return url.startsWith('node:') && !PUMPS.has(functionName);
  };
  const known = new Map<number, boolean>();
  let microseconds = 0;
  samples.forEach((id, i) => {
    let counts = known.get(id);
    if (counts === undefined) {
      counts = works(id);
      known.set(id, counts);
    }
    if (counts) microseconds += timeDeltas[i] ?? 0;
  });
  return microseconds / 1000;
}
