/** The architectures of the published CLIPs, for plans that are made before any weights are there. */
import type { ClipConfig, TowerConfig } from './config.js';

const tower = (width: number, layers: number): TowerConfig => ({ width, layers, heads: width / 64 });

/** Names of the published models, as OpenAI spells them. */
export type KnownModel = 'ViT-B/32' | 'ViT-B/16' | 'ViT-L/14' | 'ViT-L/14@336px';

/** The published models by name. */
export const KNOWN_MODELS: Readonly<Record<KnownModel, ClipConfig>> = {
  'ViT-B/32': architecture(512, tower(768, 12), 32, 224, tower(512, 12)),
  'ViT-B/16': architecture(512, tower(768, 12), 16, 224, tower(512, 12)),
  'ViT-L/14': architecture(768, tower(1024, 24), 14, 224, tower(768, 12)),
  'ViT-L/14@336px': architecture(768, tower(1024, 24), 14, 336, tower(768, 12)),
};

/** Whether `name` is that of a published model. */
export const isKnownModel = (name: string): name is KnownModel => Object.hasOwn(KNOWN_MODELS, name);

function architecture(
  embed: number,
  vision: TowerConfig,
  patch: number,
  resolution: number,
  text: TowerConfig,
): ClipConfig {
  return {
    embed,
    vision: { ...vision, patch, resolution, tokens: (resolution / patch) ** 2 + 1 },
    text: { ...text, vocabulary: 49408, contextLength: 77 },
    activation: 'quickGelu',
    layerNormEps: 1e-5,
  };
}
