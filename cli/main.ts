#!/usr/bin/env node
/** The command line: finds the command, runs it, and turns what goes wrong into a message and an exit code. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import * as bench from './commands/bench.js';
import * as classVectors from './commands/classVectors.js';
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
import { mark } from './debug/trace.js';
import { guardStreams, print, printed, say } from './terminal/output.js';
import { report } from './terminal/report.js';
import { keepNohup } from './terminal/stop.js';

/** Each adds its command to the program. */
const commands = [
  doctor,
  demo,
  teacher,
  classVectors,
  distill,
  evaluate,
  predict,
  reproduce,
  exporting,
  pull,
  verify,
  tune,
  bench,
];

const { version, description } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string; description: string };

const program = new Command('promptkd').description(description).version(version).exitOverride();
// What goes wrong with help and version shows when the command ends.
program.configureOutput({ outputError: () => {}, writeOut: (text) => void print(text), writeErr: say });
for (const command of commands) command.register(program);

guardStreams();
keepNohup();

const explain = (error: unknown) => report(error, say, process.env);
// Out of reach of the `try` below: callbacks and forgotten promises.
process.on('uncaughtException', (error) => process.exit(explain(error)));

let code: number;
mark('command');
try {
  await program.parseAsync();
  await printed();
  code = Number(process.exitCode ?? 0);
} catch (error) {
  code = explain(error);
  // Help and version are thrown; behind another error it does not matter what was printed before.
  if (code === 0) await printed().catch((lost) => (code = explain(lost)));
}
mark('end', { code });
// Dawn keeps threads and promises of its own; the command is over when its output is written.
process.stderr.write('', () => process.exit(code));
