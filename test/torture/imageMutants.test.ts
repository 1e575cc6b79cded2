import { decodeImage } from '../../cli/platform/nodeImage.js';
import { decodeMutated } from '../helpers/imageTorture.js';
import { torture } from './kit.js';

/** Of processor time. */
const MOST_SECONDS = 2;

torture('images, bytes', 60, async ({ count, seed }) => {
  const { accepted, refused, slowest, faults } = await decodeMutated(decodeImage, count, seed);
  const failures = [...faults];
  if (slowest > MOST_SECONDS) failures.push(`one took ${slowest} s`);
  return {
    tried: count,
    passed: count - failures.length,
    failures,
    remark: `${refused} refused, ${accepted} are images, at most ${slowest.toFixed(2)} s`,
  };
});
