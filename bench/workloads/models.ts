/** The models that steps and encoders are timed with, by name: the published ones, and the demo's pair for software adapters. */
import { UserError } from '../../engine/errors.js';
import type { ClipConfig } from '../../models/clip/config.js';
import { isKnownModel, KNOWN_MODELS } from '../../models/clip/knownModels.js';

const emoji = (embed: number, width: number, layers: number, textLayers = 2): ClipConfig => ({
  embed,
  vision: { width, layers, heads: width / 64, patch: 8, resolution: 48, tokens: 37 },
  text: { width: 64, layers: textLayers, heads: 1, vocabulary: 1024, contextLength: 32 },
  activation: 'quickGelu',
  layerNormEps: 1e-5,
});

/** The sizes of emoji-clip/, and models with as many blocks as ViT-L/14 and ViT-B/16, narrow: the host works as for those. */
const SMALL: Readonly<Record<string, ClipConfig>> = {
  'emoji-teacher': emoji(96, 128, 4),
  'emoji-student': emoji(64, 64, 3),
  'deep-teacher': emoji(64, 64, 24, 12),
  'deep-student': emoji(64, 64, 12, 12),
};

/** Names that `modelNamed` takes. */
export const MODEL_NAMES: readonly string[] = [...Object.keys(KNOWN_MODELS), ...Object.keys(SMALL)];

/** @throws UserError for a name that is none of `MODEL_NAMES` */
export function modelNamed(name: string): ClipConfig {
  const found = isKnownModel(name) ? KNOWN_MODELS[name] : SMALL[name];
  if (!found) throw new UserError(`no model is called ${name}`, `choose one of ${MODEL_NAMES.join(', ')}`);
  return found;
}
