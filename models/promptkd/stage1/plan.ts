/** Stage 1 from shapes alone: what a run will need, known before weights are loaded and without a device. */
import { constant, type PlanRequest, UserError } from '../../../engine/index.js';
import { tokenizeClasses } from '../../clip/classPrompts.js';
import type { ClipConfig } from '../../clip/config.js';
import { isKnownModel } from '../../clip/knownModels.js';
import { shapeOnlyModel, textRequest } from '../../clip/shapeOnly.js';
import { trimTokens } from '../../clip/text.js';
import type { Platform } from '../../platform.js';
import { contextWords, usualPromptTokens } from '../shared/contextWords.js';
import { type ResolvedTeacher, resolveTeacher } from '../shared/defaults.js';
import { openTokenizer } from '../shared/openTokenizer.js';
import {
  classNamesOf,
  type PlannedStep,
  type PlanOptions,
  readArchitecture,
  type StepSizes,
} from '../shared/planned.js';
import { byTower, promptSizes, shapeOnlyPrompts } from '../shared/prompts.js';
import type { PlannedSettings, TeacherSettings } from '../shared/settings.js';
import { stepRequest } from '../shared/trainingStep.js';
import { teacherGraph } from './step.js';
import { tunedLabels } from './trainingPart.js';

/** What settings do not say about the size of a step of stage 1. */
export interface TeacherSizes extends StepSizes {
  /** Tokens of the longest class prompt, with start and end (default: those of a usual name). */
  readonly tokens?: number;
}

/** The step of stage 1, as a request without data: the very one that a run of these sizes compiles. */
export function teacherRequest(
  config: ClipConfig,
  settings: ResolvedTeacher,
  { classes, tokens = usualTokens(config, settings), capabilities }: TeacherSizes,
): PlanRequest {
  const { method, precision } = settings;
  const sizes = promptSizes(settings);
  const graph = teacherGraph(
    shapeOnlyModel(config, { precision, capabilities }),
    byTower((tower) => shapeOnlyPrompts(tower, sizes[tower], config)),
    {
      embedded: constant(undefined, [classes, tokens, config.text.width], 'embedded classes'),
      endRows: constant(undefined, [classes], 'end-of-text rows', 'i32'),
      ...(method === 'promptsrc' && {
        frozenText: constant(undefined, [classes, config.embed], 'frozen text features'),
      }),
    },
    settings,
  );
  return stepRequest(graph);
}

/** The text encoder without prompts over the templates of the frozen features, which PromptSRC begins with. */
export const frozenTextRequest = (
  config: ClipConfig,
  settings: ResolvedTeacher,
  { classes, tokens = usualTokens(config, settings), capabilities }: TeacherSizes,
): PlanRequest =>
  textRequest(config, { count: classes, length: tokens }, [], {
    precision: settings.precision,
    capabilities,
  });

const usualTokens = ({ text }: ClipConfig, { contextInit, textLength }: ResolvedTeacher): number =>
  usualPromptTokens(contextInit, textLength, text.contextLength);

/**
 * What a run with these settings will compile: read from the headers of its files, without weights.
 *
 * @throws UserError when the settings do not fit together, or a file that they name is missing or wrong
 */
export async function planTeacher(
  platform: Platform,
  requested: PlannedSettings<TeacherSettings>,
  { count, capabilities }: PlanOptions = {},
): Promise<PlannedStep> {
  const { method } = requested;
  if (method === 'clip')
    throw new UserError('the method clip trains nothing, so there is no step', 'leave --dry-run out');
  const config = await readArchitecture(platform, requested.clip);
  const settings = resolveTeacher({ ...requested, method }, config);
  const names = count === undefined ? await classNamesOf(platform, requested) : undefined;
  const labels = tunedLabels(count ?? names?.length ?? 0, requested.classes);
  const tokens = names && (await promptTokens(platform, settings, config, names, labels));
  return {
    request: teacherRequest(config, settings, { classes: labels.length, tokens, capabilities }),
    classes: labels.length,
  };
}

/** Tokens of the longest prompt of those classes; undefined where there is no tokenizer, as for a published model's name. */
async function promptTokens(
  platform: Platform,
  settings: ResolvedTeacher<PlannedSettings<TeacherSettings>>,
  { text }: ClipConfig,
  classNames: readonly string[],
  labels: readonly number[],
): Promise<number | undefined> {
  if (settings.tokenizer === undefined && isKnownModel(settings.clip)) return undefined;
  const tokenizer = await openTokenizer(platform, settings);
  const { template } = contextWords(tokenizer, settings.contextInit, settings.textLength);
  const names = labels.map((label) => classNames[label]!);
  return trimTokens(tokenizeClasses(tokenizer, template, names, text.contextLength)).length;
}
