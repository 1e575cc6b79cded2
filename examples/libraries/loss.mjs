/** Both stages on drawn shapes, with a distillation loss of your own: one minus the cosine of the two image features. */
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { add, multiply, openGpu, scalar, sum } from 'promptkd/engine';
import {
  defineDistillationLoss,
  parseSettings,
  runStudent,
  runTeacher,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from 'promptkd/models';
import { nodePlatform, relaunchIfNeeded } from 'promptkd/node';
import sharp from 'sharp';

const cosine = defineDistillationLoss('cosine', {
  compares: 'features', // unit rows [batch, embed]; 'logits' would be [batch, classes]
  weight: 10, // of the loss, where the settings give none (kdWeight)
  help: 'one minus the cosine',
  distance: (teacher, student) => {
    const [batch] = student.shape;
    return add(multiply(sum(multiply(teacher, student)), scalar(-1 / batch)), scalar(1));
  },
});

await relaunchIfNeeded(process.env.PROMPTKD_ADAPTER); // a software adapter, where there is no GPU
const job = {
  gpu: await openGpu(),
  platform: nodePlatform,
  begin: () => ({ update() {}, end() {} }),
  note: console.error,
};

const folder = await mkdtemp(join(tmpdir(), 'promptkd-loss-'));
const data = join(folder, 'shapes');
const shapes = {
  circle: '<circle cx="24" cy="24" r="16"/>',
  square: '<rect x="9" y="9" width="30" height="30"/>',
  triangle: '<path d="M24 6L42 40H6z"/>',
};
for (const [name, shape] of Object.entries(shapes)) {
  await mkdir(join(data, name), { recursive: true });
  for (let i = 0; i < 8; i++) {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48"><rect width="48" height="48" fill="#fff"/><g fill="hsl(${45 * i},80%,45%)">${shape}</g></svg>`;
    await sharp(Buffer.from(svg))
      .png()
      .toFile(join(data, name, `${i}.png`));
  }
}

const [teacherClip, studentClip] = ['teacher', 'student'].map((name) =>
  fileURLToPath(new URL(`../../emoji-clip/${name}`, import.meta.url)),
);
const [teacher, student] = ['teacher', 'student'].map((name) => join(folder, name));
const tuned = { clip: teacherClip, data, classes: 'all', shots: 2, epochs: 1, batch: 4 };
await runTeacher(job, parseSettings(TeacherSettingsSchema, tuned, 'example'), teacher);
const distilled = { teacher, clip: studentClip, data, epochs: 4, batch: 8, kdLoss: cosine };
await runStudent(job, parseSettings(StudentSettingsSchema, distilled, 'example'), student);
job.gpu.destroy();

for (const line of (await readFile(join(student, 'metrics.jsonl'), 'utf8')).trim().split('\n')) {
  const { epoch, loss } = JSON.parse(line);
  if (loss !== undefined) console.log(`epoch ${epoch}: loss ${loss.toFixed(3)}`);
}
console.log(`the student is in ${student}`);
