/** `promptkd pull`: a CLIP's folder from the Hugging Face hub, ready for --clip. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../engine/errors.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { chooseFiles } from '../hub/choose.js';
import { download } from '../hub/download.js';
import { type HubFile, type HubOptions, HubRepository, unreachable } from '../hub/repository.js';
import { print } from '../output.js';
import { nodePlatform } from '../platform/node.js';
import { createProgress, type Progress } from '../progress.js';

interface Flags {
  readonly out?: string;
  readonly revision: string;
  readonly endpoint?: string;
  readonly force?: boolean;
}

const HELP = `
Fetches the weights (safetensors before PyTorch, one file or shards), the configs and the tokenizer, and nothing else. An
interrupted download continues with the same command; checksums are compared with the hub's. Private and gated models need
an access token in HF_TOKEN; HF_ENDPOINT names another server, as --endpoint does.

Example:
  promptkd pull openai/clip-vit-base-patch16
  promptkd pull openai/clip-vit-large-patch14 --out models/l14
Next:
  promptkd teacher --clip clip-vit-base-patch16 --data oxford_pets --out runs/pets-teacher`;

export function register(program: Command): void {
  program
    .command('pull')
    .description("download a CLIP's folder from the Hugging Face hub")
    .argument('<repository>', 'OWNER/NAME of the model')
    .option('--out <folder>', "folder to put it in (default: the model's name)")
    .option('--revision <name>', 'branch, tag or commit', 'main')
    .option('--endpoint <url>', 'server to ask in place of the public hub')
    .option('--force', 'replace files that are there and differ')
    .addHelpText('after', HELP)
    .action(async (name: string, flags: Flags) => {
      const options: HubOptions = {
        revision: flags.revision,
        ...optional('endpoint', flags.endpoint ?? process.env.HF_ENDPOINT),
        ...optional('token', process.env.HF_TOKEN),
      };
      const repository = new HubRepository(name, options);
      const out = flags.out ?? name.slice(name.indexOf('/') + 1);
      const files = await chosen(repository, options);
      await nodePlatform.makeFolder(out);
      const progress = createProgress();
      try {
        for (const file of files) await fetchOne(repository, file, out, progress, flags, options);
      } finally {
        progress.close();
      }
      const { config, format } = await loadCheckpoint(nodePlatform, out);
      const { vision, text } = config;
      await print(
        `${name} is in ${out}: ${format}; images of ${vision.resolution} in patches of ${vision.patch}, ` +
          `width ${vision.width} and ${text.width}, embedding ${config.embed}\n` +
          `next: promptkd teacher --clip ${out} --data DATA --out RUN\n`,
      );
    });
}

/** An environment variable that is set to nothing counts as absent. */
const optional = <K extends string>(key: K, value: string | undefined) =>
  value ? ({ [key]: value } as Record<K, string>) : {};

/** The files to fetch. */
async function chosen(repository: HubRepository, options: HubOptions): Promise<HubFile[]> {
  const files = await repository.files().catch((error) => {
    throw error instanceof UserError ? error : unreachable(repository.name, options, error);
  });
  const names = files.map((file) => file.name);
  return chooseFiles(names, repository.name).map((name) => files.find((file) => file.name === name)!);
}

async function fetchOne(
  repository: HubRepository,
  file: HubFile,
  folder: string,
  progress: Progress,
  { force }: Flags,
  options: HubOptions,
): Promise<void> {
  const bar = progress.begin(`${file.name} (${megabytes(file.size)} MB)`, 1);
  try {
    await download(file, join(folder, file.name), {
      open: (start) => repository.open(file, start),
      onProgress: (bytes) => bar.update(file.size === 0 ? 1 : bytes / file.size, `${megabytes(bytes)} MB`),
      ...(force && { force }),
    });
    bar.end();
  } catch (error) {
    throw error instanceof UserError ? error : unreachable(file.name, options, error);
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
