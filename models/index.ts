/**
 * CLIP, PromptKD's two stages, checkpoints and data sets, on top of the engine.
 *
 * @module promptkd/models
 */

export type { FileEntry, FileKind, Files, WrittenPiece } from '../formats/files.js';
export { encodeSafetensors, openSafetensors, type TensorToWrite } from '../formats/safetensors.js';
export type { Checkpoint, StoredDType, StoredTensor } from '../formats/tensors.js';
export type { StoredPrompts } from './checkpoints/keys.js';
export { type ClipCheckpoint, loadCheckpoint } from './checkpoints/load.js';
export type { Activation, ClipConfig, TowerConfig } from './clip/config.js';
export { type ClipGraph, type ClipModel, type LoadOptions, loadModel } from './clip/model.js';
export type { Precision } from './clip/precision.js';
export { encodeSequences } from './clip/textEncoder.js';
export { Tokenizer } from './clip/tokenizer.js';
export { loadTokenizer } from './clip/tokenizerFile.js';
export { encodeImages } from './clip/vision.js';
export type { BytePairs } from './clip/vocabulary.js';
export type { Weights } from './clip/weights.js';
export type { Dataset, DatasetOptions, ImageItem, LoadedDataset } from './datasets/dataset.js';
export { findImages } from './datasets/imagePaths.js';
export type { ImageRows } from './datasets/imageRunner.js';
export { loadDataset } from './datasets/loadDataset.js';
export type { Skipped, SkippedImage } from './datasets/skipped.js';
export { GpuPreprocessor, type GpuPreprocessorOptions } from './images/gpuPreprocess.js';
export type {
  Crop,
  CropRule,
  DecodedFile,
  PreparedFile,
  PreparedImage,
  PrepareRequest,
  RgbImage,
  UseImage,
} from './images/types.js';
export type { Job, ProgressBar, StopRequest, TrainedRun } from './job.js';
export type { Platform } from './platform.js';
export { type ClassVectors, readClassVectors } from './promptkd/classVectors/classVectors.js';
export { makeClassVectors } from './promptkd/classVectors/makeClassVectors.js';
export { loadPlainClip, type PlainClipOptions } from './promptkd/files/loadPlainClip.js';
export { loadTeacher } from './promptkd/files/loadTeacher.js';
export { type Accuracy, accuracy, harmonicMean } from './promptkd/shared/evaluate.js';
export type { Health } from './promptkd/shared/health.js';
export type { ClassVectorRows, StudentVariables } from './promptkd/shared/logits.js';
export {
  type Comparable,
  type Compared as ComparedOutput,
  type DistillationLoss,
  type DistillationLossEntry,
  defineDistillationLoss,
} from './promptkd/shared/losses.js';
export type { Projection } from './promptkd/shared/projection.js';
export type { ByTower, PromptSize, Prompts, Tower } from './promptkd/shared/prompts.js';
export {
  parseSettings,
  type StudentSettings,
  StudentSettingsSchema,
  type TeacherSettings,
  TeacherSettingsSchema,
} from './promptkd/shared/settings.js';
export type { Teacher, TeacherShape, Towers } from './promptkd/shared/teacher.js';
export { type StepGraph, type StepOptions, TrainingStep } from './promptkd/shared/trainingStep.js';
export { runTeacher } from './promptkd/stage1/run.js';
export {
  type ClassInputs,
  type TeacherGraph,
  type TeacherStepOptions,
  teacherGraph,
} from './promptkd/stage1/step.js';
export { runStudent } from './promptkd/stage2/run.js';
export {
  type StudentGraph,
  type StudentStepOptions,
  studentGraph,
  type TeacherSource,
} from './promptkd/stage2/step.js';
export { Classifier, type RunOptions } from './promptkd/use/classifier.js';
export { type Exported, type ExportOptions, exportRun } from './promptkd/use/exportRun.js';
export type { Outcome } from './promptkd/use/outcomes.js';
export { type Guess, type Prediction, topK } from './promptkd/use/topK.js';
export { type Preset, parsePreset } from './reproduce/preset.js';
export { reproduce, type TrialResult } from './reproduce/reproduce.js';
export { type Compared, type Score, type Summary, type SummaryRow, summarize } from './reproduce/summary.js';
export type { ReproduceOptions } from './reproduce/trials.js';
export type { Metrics, RunRecord, TimingLine } from './runs/lineFile.js';
export type { Shard } from './runs/shard.js';
export type { StepLosses, StepResult, TrainOptions, TrainRunOptions } from './runs/train.js';
