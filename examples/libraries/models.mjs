/** Classifies pictures with a CLIP that comes with the package: node models.mjs [PICTURE ...] */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openGpu } from 'promptkd/engine';
import { Classifier } from 'promptkd/models';
import { nodePlatform, relaunchIfNeeded } from 'promptkd/node';
import sharp from 'sharp';

await relaunchIfNeeded(process.env.PROMPTKD_ADAPTER); // a software adapter, where there is no GPU

// What a job needs: a device, files, and a progress callback.
const job = {
  gpu: await openGpu(),
  platform: nodePlatform,
  begin: () => ({ update() {}, end() {} }),
  note: console.error,
};

const paths = process.argv.length > 2 ? process.argv.slice(2) : [await drawHeart()];
const classes = ['heart', 'bird', 'clock', 'building', 'land vehicle', 'fruit'];
const clip = fileURLToPath(new URL('../../emoji-clip/teacher', import.meta.url));

// Zero-shot: text features of "a photo of a {}." against image features. Classifier.ofRun does the same for a tuned model.
const classifier = await Classifier.plain(job, clip, classes);
const items = paths.map((path) => ({ path, label: -1 }));
const { rows } = await classifier.logits(job, items, 'pictures');
for (const [i, path] of paths.entries()) {
  const logits = rows.subarray(i * classes.length, (i + 1) * classes.length);
  console.log(`${path}: ${classes[logits.indexOf(Math.max(...logits))]}`);
}
classifier.destroy();
job.gpu.destroy();

async function drawHeart() {
  const path = join(await mkdtemp(join(tmpdir(), 'promptkd-')), 'heart.png');
  const heart = 'M24 42C4 28 4 8 15 8c5 0 8 4 9 7 1-3 4-7 9-7 11 0 11 20-9 34z';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48"><rect width="48" height="48" fill="#fff"/><path d="${heart}" fill="#d22"/></svg>`;
  await sharp(Buffer.from(svg)).png().toFile(path);
  return path;
}
