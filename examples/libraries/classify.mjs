/** Classifies the images of a folder with a distilled student: node classify.mjs RUN FOLDER */
import { openGpu } from 'promptkd/engine';
import { Classifier, findImages, topK } from 'promptkd/models';
import { nodePlatform, relaunchIfNeeded } from 'promptkd/node';

await relaunchIfNeeded(process.env.PROMPTKD_ADAPTER); // a software adapter, where there is no GPU

const [run = 'runs/demo/student', folder = 'runs/demo/data/test'] = process.argv.slice(2);
const job = {
  gpu: await openGpu(),
  platform: nodePlatform,
  begin: () => ({ update() {}, end() {} }),
  note: console.error,
};

const { items } = await findImages(nodePlatform, [folder]);
const student = await Classifier.ofRun(job, run);
const { classNames } = student;
const { rows } = await student.logits(job, items, 'images');
for (const [i, { path }] of items.entries()) {
  const logits = rows.subarray(i * classNames.length, (i + 1) * classNames.length);
  const [{ className, probability }] = topK(logits, classNames, 1);
  console.log(`${path}: ${className} ${(100 * probability).toFixed(1)} %`);
}
student.destroy();
job.gpu.destroy();
