#!/usr/bin/env node
/** The command line: finds the command, runs it, and turns what goes wrong into a message and an exit code. */
import { mark } from './debug/trace.js';
import { createProgram } from './program.js';
import { guardStreams, printed, say } from './terminal/output.js';
import { report } from './terminal/report.js';
import { keepNohup } from './terminal/stop.js';

guardStreams();
keepNohup();

const explain = (error: unknown) => report(error, say, process.env);
// Out of reach of the `try` below: callbacks and forgotten promises.
process.on('uncaughtException', (error) => process.exit(explain(error)));

let code: number;
mark('command');
try {
  await createProgram().parseAsync();
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
