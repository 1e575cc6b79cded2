/** CLIP, PromptKD's two stages, checkpoints and data sets, on top of the engine. */
export { type ClipCheckpoint, loadCheckpoint } from './checkpoints/load.js';
export { encodeSafetensors, openSafetensors } from './checkpoints/safetensors.js';
export type { ClipConfig } from './clip/config.js';
export { GpuPreprocessor } from './clip/gpuPreprocess.js';
export { type ClipModel, loadModel } from './clip/model.js';
export { encodeSequences } from './clip/textEncoder.js';
export { loadTokenizer, Tokenizer } from './clip/tokenizer.js';
export { encodeImages } from './clip/vision.js';
export { type Dataset, loadDataset } from './datasets/dataset.js';
export type { Job, ProgressBar } from './job.js';
export type { Platform, RgbImage } from './platform.js';
export { Classifier } from './promptkd/classifier.js';
export { type ClassVectors, readClassVectors } from './promptkd/classVectors.js';
export { type Accuracy, accuracy, harmonicMean } from './promptkd/evaluate.js';
export { type ExportOptions, exportRun } from './promptkd/exportRun.js';
export { loadPlainClip, loadTeacher, makeClassVectors } from './promptkd/loadTeacher.js';
export {
  parseSettings,
  type StudentSettings,
  StudentSettingsSchema,
  type TeacherSettings,
  TeacherSettingsSchema,
} from './promptkd/settings.js';
export { StudentStep } from './promptkd/student.js';
export { runStudent } from './promptkd/studentRun.js';
export { TeacherStep } from './promptkd/teacher.js';
export { runTeacher } from './promptkd/teacherRun.js';
export { type Preset, parsePreset } from './reproduce/preset.js';
export { reproduce, type TrialResult } from './reproduce/reproduce.js';
export { type Summary, summarize } from './reproduce/summary.js';
export type { ReproduceOptions } from './reproduce/trials.js';
