/** The architecture of a CLIP that is named for a plan. */
import { loadCheckpoint } from '../../checkpoints/load.js';
import type { ClipConfig } from '../../clip/config.js';
import { isKnownModel, KNOWN_MODELS } from '../../clip/knownModels.js';
import type { Platform } from '../../platform.js';

/** Of a published model by its name, or of the checkpoint at that path. */
export const readArchitecture = async (platform: Platform, clip: string): Promise<ClipConfig> =>
  isKnownModel(clip) ? KNOWN_MODELS[clip] : (await loadCheckpoint(platform, clip)).config;
