/** CLIP, PromptKD's two stages, checkpoints and data sets, on top of the engine. */
export { type ClipCheckpoint, loadCheckpoint } from './checkpoints/load.js';
export { encodeSafetensors, openSafetensors } from './checkpoints/safetensors.js';
export type { ClipConfig } from './clip/config.js';
export { type ClipModel, loadModel } from './clip/model.js';
export { encodeSequences } from './clip/textEncoder.js';
export { Tokenizer } from './clip/tokenizer.js';
export { loadTokenizer } from './clip/tokenizerFile.js';
export { encodeImages } from './clip/vision.js';
export type { Dataset } from './datasets/dataset.js';
export { loadDataset } from './datasets/loadDataset.js';
export { GpuPreprocessor } from './images/gpuPreprocess.js';
export type { RgbImage } from './images/types.js';
export type { Job, ProgressBar } from './job.js';
export type { Platform } from './platform.js';
export { type ClassVectors, readClassVectors } from './promptkd/classVectors/classVectors.js';
export { makeClassVectors } from './promptkd/classVectors/makeClassVectors.js';
export { loadPlainClip } from './promptkd/files/loadPlainClip.js';
export { loadTeacher } from './promptkd/files/loadTeacher.js';
export { type Accuracy, accuracy, harmonicMean } from './promptkd/shared/evaluate.js';
export {
  type Compared,
  type DistillationLoss,
  type DistillationLossEntry,
  defineDistillationLoss,
} from './promptkd/shared/losses.js';
export {
  parseSettings,
  type StudentSettings,
  StudentSettingsSchema,
  type TeacherSettings,
  TeacherSettingsSchema,
} from './promptkd/shared/settings.js';
export { TrainingStep } from './promptkd/shared/trainingStep.js';
export { runTeacher } from './promptkd/stage1/run.js';
export { teacherGraph } from './promptkd/stage1/step.js';
export { runStudent } from './promptkd/stage2/run.js';
export { studentGraph } from './promptkd/stage2/step.js';
export { Classifier } from './promptkd/use/classifier.js';
export { type ExportOptions, exportRun } from './promptkd/use/exportRun.js';
export { type Preset, parsePreset } from './reproduce/preset.js';
export { reproduce, type TrialResult } from './reproduce/reproduce.js';
export { type Summary, summarize } from './reproduce/summary.js';
export type { ReproduceOptions } from './reproduce/trials.js';
