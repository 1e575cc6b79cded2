/** `promptkd pull`: a CLIP's folder from the Hugging Face hub, ready for --clip. */
import { type Command, InvalidArgumentError } from 'commander';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { pull } from '../hub/pull.js';
import { type HubOptions, HubRepository } from '../hub/repository.js';
import { nodePlatform } from '../platform/node.js';
import { print } from '../terminal/output.js';
import { createProgress } from '../terminal/progress.js';

interface Flags {
  readonly out?: string;
  readonly revision: string;
  readonly endpoint?: string;
  readonly timeout: number;
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
    .option('--timeout <seconds>', 'how long the server may say nothing', parseSeconds, 60)
    .option('--force', 'replace files that are there and differ')
    .addHelpText('after', HELP)
    .action(async (name: string, flags: Flags) => {
      const options: HubOptions = {
        revision: flags.revision,
        quiet: 1000 * flags.timeout,
        ...optional('endpoint', flags.endpoint ?? process.env.HF_ENDPOINT),
        ...optional('token', process.env.HF_TOKEN),
      };
      const repository = new HubRepository(name, options);
      const out = flags.out ?? name.slice(name.indexOf('/') + 1);
      const progress = createProgress();
      try {
        await pull(repository, out, { ...options, progress, ...(flags.force && { force: true }) });
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

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400)) throw new InvalidArgumentError('Give seconds, at most a day.');
  return seconds;
}
