/** `npm run bench -- …`: measurements for people who write kernels. See bench/README in the main README's section "Bench". */
import { Command } from 'commander';
import { report } from '../cli/report.js';
import { runPeers } from './peers/command.js';

const program = new Command('bench')
  .description('measures kernels, steps and peers; prints Markdown and keeps JSON')
  .exitOverride();
program.configureOutput({ outputError: () => {} });

const list = (text: string) => text.split(',');
const whole = (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${text} is no whole number above 0`);
  return value;
};

function add(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--quick', 'small sizes and few repeats: to see that everything runs')
    .option('--repeats <n>', 'samples of each measurement', whole, 5)
    .option('--only <names>', 'only these kinds, separated by commas', list)
    .option('--shapes <texts>', 'only cases whose name without blanks contains one of these', list)
    .option('--out <path>', 'where to write path.json and path.md (default: bench/results/…)');
}

add('peers', 'ours beside onnxruntime-node, onnxruntime-web, tfjs and jax-js on the same adapter')
  .option('--peers <names>', 'only these of them', list)
  .option('--append', 'keep the rows of an earlier call in the same file')
  .action(async (flags) => {
    process.stdout.write(await runPeers(flags));
  });

let code = 0;
try {
  await program.parseAsync();
} catch (error) {
  code = report(error, (text) => process.stderr.write(text), process.env);
}
process.stdout.write('', () => process.exit(code));
