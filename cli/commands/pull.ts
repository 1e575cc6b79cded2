/** `promptkd pull`: downloads a CLIP from the Hugging Face Hub into a folder for --clip. */
import { type Command, InvalidArgumentError } from 'commander';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { pull } from '../hub/pull.js';
import { type HubOptions, HubRepository } from '../hub/repository.js';
import { nodePlatform } from '../platform/node.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print } from '../terminal/output.js';
import { createProgress } from '../terminal/progress.js';

interface Flags {
  readonly out?: string;
  readonly revision: string;
  readonly endpoint?: string;
  readonly timeout: number;
  readonly force?: boolean;
}

const HELP: HelpText = {
  about: [
    'Downloads weights (safetensors rather than PyTorch, one file or shards), configs and tokenizer, and nothing else. Run ' +
      "the same command again to continue an interrupted download; checksums are compared with the Hub's. Private and " +
      'gated models need an access token in HF_TOKEN. HF_ENDPOINT is the same as --endpoint.',
  ],
  examples: [
    'promptkd pull openai/clip-vit-base-patch16',
    'promptkd pull openai/clip-vit-large-patch14 --out models/l14',
  ],
  next: ['promptkd teacher --clip clip-vit-base-patch16 --data oxford_pets --out runs/pets-teacher'],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('pull')
    .description('download a CLIP from the Hugging Face Hub')
    .argument('<repository>', 'model on the Hub, as OWNER/NAME')
    .option('--out <folder>', 'folder to download to (default: NAME)')
    .option('--revision <name>', 'branch, tag or commit', 'main')
    .option('--endpoint <url>', 'server to use instead of the public Hub')
    .option('--timeout <seconds>', 'give up when the server is silent for this long', parseSeconds, 60)
    .option('--force', 'replace existing files that differ');
  addHelp(command, HELP).action(async (name: string, flags: Flags) => {
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

/** An environment variable that is set to an empty text counts as absent. */
const optional = <K extends string>(key: K, value: string | undefined) =>
  value ? ({ [key]: value } as Record<K, string>) : {};

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400))
    throw new InvalidArgumentError('Give seconds, more than 0 and at most 86400.');
  return seconds;
}
