/** Stage 2 from shapes alone: what a run will need, known before weights are loaded and without a device. */
import { constant, input, type PlanRequest } from '../../../engine/index.js';
import type { ClipConfig } from '../../clip/config.js';
import { shapeOnlyModel, textRequest } from '../../clip/shapeOnly.js';
import type { Platform } from '../../platform.js';
import { readClassVectors } from '../classVectors/classVectors.js';
import { readTeacherShape } from '../files/teacherShape.js';
import { usualPromptTokens } from '../shared/contextWords.js';
import { checkVectorLength, type ResolvedStudent, resolveStudent } from '../shared/defaults.js';
import { studentLogits } from '../shared/logits.js';
import {
  classNamesOf,
  type PlannedStep,
  type PlanOptions,
  readArchitecture,
  type StepSizes,
} from '../shared/planned.js';
import { shapeOnlyPrompts } from '../shared/prompts.js';
import type { PlannedSettings, StudentSettings } from '../shared/settings.js';
import type { TeacherShape } from '../shared/teacher.js';
import { stepRequest } from '../shared/trainingStep.js';
import { studentGraph, teacherFeatureOrigin } from './step.js';
import { studentVariables } from './variables.js';

/** The step of stage 2 as a run of these sizes compiles it, and the student's evaluation, as requests without data. */
export function studentRequests(
  teacher: TeacherShape,
  student: ClipConfig,
  settings: ResolvedStudent,
  { classes, capabilities }: StepSizes,
): { readonly train: PlanRequest; readonly evaluate: PlanRequest } {
  const { batch, precision, textFeatures, train } = settings;
  const stored = { precision, capabilities };
  const own = textFeatures === 'student';
  const embed = own ? student.embed : teacher.config.embed;
  checkVectorLength(settings, student.embed, embed);
  const vectorsOf = (length: number) => constant(undefined, [classes, length], 'class vectors');
  const vectors = vectorsOf(embed);
  const model = shapeOnlyModel(student, { ...stored, trainable: train === 'all' });
  const variables = studentVariables(model, settings, embed);
  const source =
    teacherFeatureOrigin(settings) === 'step'
      ? {
          model: shapeOnlyModel(teacher.config, stored),
          prompts: shapeOnlyPrompts('vision', teacher.vision, teacher.config),
        }
      : { logitScale: 100 };
  const shared = own ? { classes: vectorsOf(teacher.config.embed) } : {};
  const graph = studentGraph(model, variables, vectors, { ...source, ...shared }, settings);
  const { resolution } = student.vision;
  const images = input([batch, 3, resolution, resolution], 'images');
  const logits = studentLogits(model, variables, vectors, images);
  return { train: stepRequest(graph), evaluate: { outputs: [logits] } };
}

/** The teacher's text encoder over the class prompts, where class vectors are made. */
export function classVectorRequest(
  { config, text }: TeacherShape,
  { precision }: ResolvedStudent,
  { classes, capabilities }: StepSizes,
): PlanRequest {
  const length = usualPromptTokens('', text.length, config.text.contextLength);
  const prompts = shapeOnlyPrompts('text', text, config);
  return textRequest(config, { count: classes, length }, prompts, { precision, capabilities });
}

/**
 * What a run with these settings will compile: read from the headers of its files, without weights.
 *
 * @throws UserError when the settings do not fit together, or a file that they name is missing or wrong
 */
export async function planStudent(
  platform: Platform,
  requested: PlannedSettings<StudentSettings>,
  { count, capabilities }: PlanOptions = {},
): Promise<PlannedStep> {
  const config = await readArchitecture(platform, requested.clip);
  const settings = resolveStudent(requested, config);
  const teacher = await readTeacherShape(platform, requested.teacher, requested.teacherClip);
  const { classVectors } = requested;
  const classes =
    count ??
    (classVectors === undefined
      ? (await classNamesOf(platform, requested)).length
      : (await readClassVectors(platform, classVectors)).count);
  return { request: studentRequests(teacher, config, settings, { classes, capabilities }).train, classes };
}
