import { describe, expect, it } from 'vitest';
import { leafBuffer } from '../../../engine/memory.js';
import { loadCheckpoint } from '../../../models/checkpoints/load.js';
import { GpuPreprocessor } from '../../../models/clip/gpuPreprocess.js';
import { loadModel } from '../../../models/clip/model.js';
import { prepareImage } from '../../../models/clip/preparedImage.js';
import { sampleTrainCrop } from '../../../models/clip/preprocess.js';
import { initialProjection, projectionVariables } from '../../../models/promptkd/projection.js';
import { initialPrompts, promptVariables } from '../../../models/promptkd/prompts.js';
import { StudentStep } from '../../../models/promptkd/student.js';
import { Random } from '../../../models/random.js';
import { TestRandom } from '../../helpers/check.js';
import { countCreations, NOTHING } from '../../helpers/creations.js';
import { testJob } from '../../helpers/job.js';

const BATCH = 4;

describe('a step of stage 2', () => {
  it('creates no buffer, bind group or pipeline, from raw image bytes to the loss', async () => {
    const { gpu, platform } = await testJob();
    const load = async (name: string) => loadModel(gpu, await loadCheckpoint(platform, `emoji-clip/${name}`));
    const [teacher, student] = [await load('teacher'), await load('student')];
    const { config } = student;
    const shape = { textDepth: 0, textLength: 0, visionDepth: 2, visionLength: 4 };
    const random = Random.of(1);
    const prompts = promptVariables(initialPrompts(shape, config, random), config).vision;
    const head = initialProjection(config.embed, teacher.config.embed, random);
    const projection = projectionVariables(head, config.embed, teacher.config.embed);
    const classes = { vectors: new TestRandom(1).array(7 * 96), count: 7, embed: 96 };
    const step = await StudentStep.create(
      gpu,
      student,
      { prompts, projection },
      classes,
      { model: teacher, prompts: [] },
      { batch: BATCH, momentum: 0.9, weightDecay: 5e-4, temperature: 1, weight: 1000 },
    );
    const preprocessor = await GpuPreprocessor.create(gpu, { size: 48, batch: BATCH });
    const run = async () => {
      const images = Array.from({ length: BATCH }, () => {
        const data = Uint8Array.from({ length: 64 * 64 * 3 }, () => random.below(256));
        return prepareImage({ width: 64, height: 64, data }, sampleTrainCrop(random, 64, 64, 48));
      });
      preprocessor.submit(images, leafBuffer(gpu, step.graph.images));
      step.run(0.01);
      return step.readLoss();
    };
    const first = await run();
    const count = countCreations(gpu);
    const losses = [await run(), await run(), await run()];
    expect(count()).toEqual(NOTHING);
    expect(new Set([first, ...losses]).size, 'every step computed something of its own').toBe(4);
  });
});
