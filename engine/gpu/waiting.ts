/** Waiting for a GPU promise in Node, where it takes more than an await. */

/** Without a live handle Node may block on background compilation before a GPU promise resolves. */
export async function withLiveHandle<T>(promise: Promise<T>): Promise<T> {
  const handle = setInterval(() => {}, 2 ** 30);
  try {
    return await promise;
  } finally {
    clearInterval(handle);
  }
}

const SPIN_MS = 0.5;
const NAP_MS = 1;
let waiting = 0;
let napping = false;
let spinUntil = 0;
let cell: Int32Array | undefined;

/** As `withLiveHandle`, and sleeps a millisecond at a time between Dawn's polls so that it does not hold a core. */
export async function withNaps<T>(promise: Promise<T>): Promise<T> {
  waiting++;
  spinUntil = performance.now() + SPIN_MS;
  if (!napping) {
    napping = true;
    cell ??= new Int32Array(new SharedArrayBuffer(4));
    setImmediate(nap);
  }
  try {
    return await withLiveHandle(promise);
  } finally {
    waiting--;
  }
}

function nap(): void {
  napping = waiting > 0;
  if (!napping) return;
  if (performance.now() > spinUntil) Atomics.wait(cell!, 0, 0, NAP_MS);
  setImmediate(nap);
}
