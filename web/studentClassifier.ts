/** An exported student that classifies one image at a time. */
import type { Gpu } from '../engine/gpu/gpu.js';
import { openByContent } from '../formats/openByContent.js';
import type { Precision } from '../models/clip/precision.js';
import { ImageRunner } from '../models/datasets/imageRunner.js';
import { prepareImage } from '../models/images/preparedImage.js';
import { testCrop } from '../models/images/preprocess.js';
import type { RgbImage } from '../models/images/types.js';
import type { Job } from '../models/job.js';
import type { Platform } from '../models/platform.js';
import { loadStudent } from '../models/promptkd/files/loadStudent.js';
import { classTensor, studentLogits } from '../models/promptkd/shared/logits.js';

/** Pixels beyond these bytes are resized on the processor: every WebGPU device has buffers of 128 MiB. */
const MOST_BYTES = 96 * 2 ** 20;

/** A student on the device, ready to classify images of any size. */
export class StudentClassifier {
  private constructor(
    /** In the order of the logits. */
    readonly classNames: readonly string[],
    private readonly runner: ImageRunner,
  ) {}

  /**
   * @param path merged student; matrices that it stores as float16 stay float16 on the device
   * @throws UserError when it is damaged, or no student
   */
  static async load(gpu: Gpu, platform: Platform, path: string): Promise<StudentClassifier> {
    const file = await openByContent(platform, path);
    const half = [...file.tensors.values()].some(({ dtype }) => dtype === 'F16');
    const precision: Precision = half ? 'f16' : 'f32';
    const bar = { update: () => {}, end: () => {} };
    const job: Job = { gpu, platform, precision, begin: () => bar, note: (line) => console.info(line) };
    const { model, variables, classes } = await loadStudent(job, path);
    const matrix = classTensor(classes);
    const runner = await ImageRunner.create(gpu, model.config.vision.resolution, 1, (images) =>
      studentLogits(model, variables, matrix, images),
    );
    return new StudentClassifier(classes.classNames, runner);
  }

  /** Logits of one image by the test transform, `[classes]`. */
  async logits(image: RgbImage): Promise<Float32Array> {
    const crop = testCrop(image.width, image.height, this.runner.size);
    return (await this.runner.run([prepareImage(image, crop, MOST_BYTES)])).slice();
  }
}
