/** The trial of the image transform on a device: one odd crop of a small image against the reference, byte by byte. */
import { createStorage, freeStorage, type Gpu, Reader } from '../../engine/index.js';
import { prepareImage } from './preparedImage.js';
import { boxCrop, denormalise } from './preprocess.js';
import { cropOnCpu } from './resample.js';
import type { PreparedImage, RgbImage } from './types.js';

/** What is used of a preprocessor. */
interface Preprocessor {
  submit(images: readonly PreparedImage[], target: GPUBuffer): void;
}

/** What is wrong with what a preprocessor (of images of `size` pixels, `batch` at a time) makes of an image, or undefined. */
export async function preprocessFault(
  gpu: Gpu,
  preprocessor: Preprocessor,
  { size, batch }: { readonly size: number; readonly batch: number },
): Promise<string | undefined> {
  const [width, height] = [37, 23];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * i * 7 + i * 13) % 251);
  const image: RgbImage = { width, height, data };
  const crop = boxCrop({ left: 3, top: 2, width: 29, height: 19, flip: true }, size);
  const bytes = 3 * size * size * 4;
  const target = createStorage(gpu, batch * bytes, 'a trial of the image transform');
  const reader = new Reader(gpu);
  try {
    gpu.device.queue.writeBuffer(target, 0, new Uint32Array(bytes / 4).fill(0x7fc00000));
    preprocessor.submit([prepareImage(image, crop)], target);
    const found = denormalise(new Float32Array(await reader.read(target, bytes)));
    const wrong = cropOnCpu(image, crop).findIndex((value, i) => value !== found[i]);
    return wrong < 0 ? undefined : `byte ${wrong} of a small image is another`;
  } finally {
    freeStorage(gpu, target);
    reader.destroy();
  }
}
