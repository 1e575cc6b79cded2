/** The worker of the page: loads the student, and classifies the images that it is sent, one after the other. */
import { UserError } from '../engine/errors.js';
import { NoAdapterError, openGpu } from '../engine/gpu/gpu.js';
import { fetchFile, memoryPlatform } from './browserPlatform.js';
import type { ClassifyRequest, WorkerMessage } from './messages.js';
import { pixelsOf } from './pixels.js';
import { StudentClassifier } from './studentClassifier.js';

/** Beside the page; the command line writes it. */
const STUDENT = 'student.safetensors';
/** Progress is told no more often than every so many milliseconds. */
const PROGRESS_MS = 50;

/** The part of a worker's global scope that is used: the DOM's types describe a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ClassifyRequest>) => void) | null;
  postMessage(message: WorkerMessage): void;
}
const scope = globalThis as unknown as WorkerScope;

const failed = (error: unknown): void => {
  const message = error instanceof UserError ? `${error.message}; ${error.hint}` : String(error);
  scope.postMessage({
    kind: 'failed',
    reason: error instanceof NoAdapterError ? 'adapter' : 'other',
    message,
  });
};

async function load() {
  let told = 0;
  const file = fetchFile(new URL(STUDENT, import.meta.url), (bytes, total) => {
    const now = performance.now();
    if (now < told + PROGRESS_MS) return;
    told = now;
    scope.postMessage({ kind: 'loading', bytes, total });
  });
  // Whichever fails first is told.
  const [gpu, content] = await Promise.all([openGpu(), file]);
  scope.postMessage({ kind: 'preparing' });
  const classifier = await StudentClassifier.load(gpu, memoryPlatform(STUDENT, content), STUDENT);
  void gpu.device.lost.then(({ message }) => failed(`the GPU was lost: ${message}`));
  const { vendor, architecture, name, software } = gpu.adapter;
  const adapter = { name: [vendor, architecture].filter(Boolean).join(' ') || name, software };
  scope.postMessage({ kind: 'ready', classNames: classifier.classNames, adapter });
  return { gpu, classifier };
}

const loaded = load();
loaded.catch(failed);

async function classify({ id, image }: ClassifyRequest): Promise<void> {
  const { gpu, classifier } = await loaded;
  try {
    const started = performance.now();
    const pixels = await pixelsOf(gpu, image);
    const decoded = performance.now();
    const logits = await classifier.logits(pixels);
    const times = { decode: decoded - started, model: performance.now() - decoded };
    scope.postMessage({ kind: 'result', id, logits, times });
  } catch (error) {
    const lost = await gpu.lossBehind(error);
    if (lost) return;
    scope.postMessage({
      kind: 'unreadable',
      id,
      message: error instanceof Error ? error.message : String(error),
    });
  }
}

let queue: Promise<void> = Promise.resolve();
scope.onmessage = ({ data }) => {
  // Where loading fails, the page has been told.
  queue = queue.then(() => classify(data)).catch(() => undefined);
};
