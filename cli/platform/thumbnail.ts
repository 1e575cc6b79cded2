import sharp from 'sharp';
import { useImage } from './useImage.js';

/** A JPEG of the square in the middle of an image: what a model sees of it, `edge` pixels wide. */
export const thumbnail = (path: string, edge: number): Promise<Uint8Array> =>
  useImage(path, false, ({ width, height, data }) => ({ width, height, data: data.slice() })).then(
    ({ width, height, data }) =>
      sharp(data, { raw: { width, height, channels: 3 } })
        .resize(edge, edge, { fit: 'cover' })
        .jpeg({ quality: 78 })
        .toBuffer(),
  );
