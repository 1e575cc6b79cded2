/** The page's side of the worker: images in, logits out, in order. */
import type { AdapterNote, ClassifyRequest, ImageSource, ImageTimes, WorkerMessage } from './messages.js';

/** How far loading is. */
export type Loading = Extract<WorkerMessage, { kind: 'loading' | 'preparing' }>;
/** What went wrong, with a hint. */
export type Failure = Extract<WorkerMessage, { kind: 'failed' }>;

/** The most likely classes of an image, and the times in milliseconds. */
export interface Classified {
  readonly logits: Float32Array;
  readonly times: ImageTimes;
}

/** What is known once the student is ready. */
export interface LoadedModel {
  readonly classNames: readonly string[];
  readonly adapter: AdapterNote;
}

/** What the page does about news. */
export interface ModelEvents {
  loading(progress: Loading): void;
  ready(model: LoadedModel): void;
  /** Nothing works from then on. */
  failed(failure: Failure): void;
}

interface Waiting {
  readonly resolve: (result: Classified) => void;
  readonly reject: (error: Error) => void;
}

/** The student in its worker. One image is computed at a time; others wait in turn. */
export class Model {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;

  /** Starts to load. */
  constructor(private readonly events: ModelEvents) {
    this.worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => this.receive(data);
    this.worker.onerror = ({ message }) =>
      events.failed({ kind: 'failed', reason: 'other', message: message || 'worker.js cannot be loaded' });
  }

  /** Images that were sent and not answered. */
  get pending(): number {
    return this.waiting.size;
  }

  /** Classifies once the model is there. A bitmap is handed over. Rejects where the image cannot be read. */
  classify(image: ImageSource): Promise<Classified> {
    const id = this.asked++;
    const request: ClassifyRequest = { id, image };
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage(request, image instanceof ImageBitmap ? [image] : []);
    });
  }

  private receive(message: WorkerMessage): void {
    if (message.kind === 'result' || message.kind === 'unreadable') {
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.kind === 'result') waiting?.resolve(message);
      else waiting?.reject(new Error(message.message));
    } else if (message.kind === 'ready') this.events.ready(message);
    else if (message.kind === 'failed') {
      for (const { reject } of this.waiting.values()) reject(new Error('the model is not there'));
      this.waiting.clear();
      this.events.failed(message);
    } else this.events.loading(message);
  }
}
