/** What the steps of image preparation hand to one another, and to the platform that runs them. */

/** An image as 8-bit RGB, rows top to bottom: `data` is `[height, width, 3]`. */
export interface RgbImage {
  /** In pixels, as `height`. */
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A decoded image, and the SHA-256 of its file (lower-case hex) where that was asked for. */
export interface DecodedFile extends RgbImage {
  readonly hash?: string;
}

/**
 * A crop in pixels: the box `left, top, width, height` is cut out and resized to `resizeTo` (width, height); of that, the
 * square of `size` pixels at `offset` (x, y) is kept, mirrored left to right if `flip`.
 */
export interface Crop {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly resizeTo: readonly [width: number, height: number];
  readonly offset: readonly [x: number, y: number];
  readonly size: number;
  readonly flip: boolean;
}

/** The test transform, or one of a stream of random crops. With the image's size, these numbers alone decide the crop. */
export type CropRule =
  | { readonly kind: 'test' }
  | {
      readonly kind: 'random';
      readonly seed: number;
      readonly view: number;
      readonly index: number;
      /** Smallest share of the image's area, default 0.08. */
      readonly scale?: number;
    };

/**
 * One crop of one image, ready to upload. Each buffer is its own, so that a worker can transfer it without a copy (and so
 * that none is a SharedArrayBuffer, which crashes Dawn's `writeBuffer`).
 */
export interface PreparedImage {
  readonly crop: Crop;
  /** Of the whole image, in pixels. */
  readonly width: number;
  readonly height: number;
  /** The pixels that the crop reads: `[rows, columns, 3]`, padded to whole words. */
  readonly source: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly columns: number;
  /** Resampling tables in the shader's form (shaders/images/resample.wgsl): horizontal, then vertical. */
  readonly table: Int32Array<ArrayBuffer>;
  readonly taps: { readonly across: number; readonly down: number };
}

/** What is asked of a worker for one image file. */
export interface PrepareRequest {
  readonly path: string;
  readonly rule: CropRule;
  /** Input sizes of the models, in pixels; the same box is cropped for each. */
  readonly sizes: readonly number[];
  /** The decoded image of an earlier request: the file is then not read. */
  readonly decoded?: DecodedFile;
  /** Largest decoded image, in bytes, to return for caching (default 0: none). */
  readonly keep?: number;
  /** Most bytes of pixels that a crop may leave to the GPU (default: no limit); larger crops are resized on the CPU. */
  readonly sourceBytes?: number;
  /** Whether to hash the file. */
  readonly hash?: boolean;
}

/** What comes back for a `PrepareRequest`. */
export interface PreparedFile {
  /** One per size. */
  readonly images: readonly PreparedImage[];
  readonly hash?: string;
  readonly decoded?: DecodedFile;
}

/** Decodes a file (and hashes it if asked), passes the image to `use`, and may reuse its memory afterwards. */
export type UseImage = <T>(path: string, hash: boolean, use: (image: DecodedFile) => T) => Promise<T>;
