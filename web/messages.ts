/** What the page and its worker say to each other. */

/** A file as it was dropped, or a frame of the camera. */
export type ImageSource = Blob | ImageBitmap;

/** Asks the worker to classify one image. */
export interface ClassifyRequest {
  readonly id: number;
  readonly image: ImageSource;
}

/** Milliseconds that an image took. */
export interface ImageTimes {
  /** From the file's bytes to pixels. */
  readonly decode: number;
  /** From pixels to logits, on the GPU. */
  readonly model: number;
}

/** What the worker says: how loading goes, a result, or what failed. */
export type WorkerMessage =
  | { readonly kind: 'loading'; readonly bytes: number; readonly total?: number }
  | { readonly kind: 'preparing' }
  | { readonly kind: 'ready'; readonly classNames: readonly string[]; readonly adapter: AdapterNote }
  | { readonly kind: 'failed'; readonly reason: 'adapter' | 'other'; readonly message: string }
  | {
      readonly kind: 'result';
      readonly id: number;
      readonly logits: Float32Array;
      readonly times: ImageTimes;
    }
  | { readonly kind: 'unreadable'; readonly id: number; readonly message: string };

/** What is computed on. */
export interface AdapterNote {
  readonly name: string;
  /** It runs on the processor. */
  readonly software: boolean;
}
