/** The commander program with every command; `main.ts` runs it, and tests parse command lines with it. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import * as bench from './commands/bench.js';
import * as classVectors from './commands/classVectors.js';
import * as compare from './commands/compare.js';
import * as demo from './commands/demo.js';
import * as distill from './commands/distill.js';
import * as doctor from './commands/doctor.js';
import * as evaluate from './commands/eval.js';
import * as exporting from './commands/export.js';
import * as predict from './commands/predict.js';
import * as pull from './commands/pull.js';
import * as reproduce from './commands/reproduce.js';
import * as teacher from './commands/teacher.js';
import * as tune from './commands/tune.js';
import * as verify from './commands/verify.js';
import { packageFile } from './platform/packageFolder.js';
import { formatTerms, helpFormat, helpWidth } from './terminal/help.js';
import { print, say } from './terminal/output.js';

/** Each module adds its command to the program. */
const COMMANDS = {
  'Set up:': [doctor, demo, pull],
  'Train:': [teacher, classVectors, distill, reproduce],
  'Use and evaluate:': [predict, evaluate, compare, exporting],
  'Check and measure:': [verify, tune, bench],
} as const;

const ENVIRONMENT = {
  PROMPTKD_ADAPTER: 'the same as --adapter',
  PROMPTKD_WORKERS: 'the same as --workers',
  PROMPTKD_TRACE: 'file that gets the start-up phases of a command as lines of JSON',
  'DEBUG=1': 'print the stack of an error, and notes of the kernel tuner',
  'DEBUG=2': 'also print a table of all kernels that the command ran: launches, ms, GFLOP/s, GB/s',
  'DEBUG=3': 'also print the WGSL of each kernel, once',
  HF_TOKEN: 'access token for pull',
  HF_ENDPOINT: 'the same as --endpoint of pull',
  XDG_CACHE_HOME: 'where caches are kept (default: ~/.cache)',
};

/** The program `promptkd`, ready to parse. Errors are thrown, help and version as a CommanderError of exit code 0. */
export function createProgram(): Command {
  const manifest = readFileSync(packageFile('package.json'), 'utf8');
  const { version, description } = JSON.parse(manifest) as { version: string; description: string };
  const program = new Command('promptkd').description(description).exitOverride();
  program
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp(helpFormat)
    // What goes wrong with help and version shows when the command ends.
    .configureOutput({
      outputError: () => {},
      writeOut: (text) => void print(text),
      writeErr: say,
      getOutHelpWidth: helpWidth,
      getErrHelpWidth: helpWidth,
    });
  for (const [heading, commands] of Object.entries(COMMANDS)) {
    program.commandsGroup(heading);
    for (const command of commands) command.register(program);
  }
  // The hint of a usage error names the help of its own command.
  for (const command of program.commands)
    command.exitOverride((error) => {
      throw Object.assign(error, { helpCommand: `promptkd ${command.name()} --help` });
    });
  return program.addHelpText(
    'after',
    () =>
      `\nEnvironment:\n${formatTerms(ENVIRONMENT, helpWidth())}\n\nFirst steps: promptkd doctor, then promptkd demo.`,
  );
}
