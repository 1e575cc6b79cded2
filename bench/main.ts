/** `npm run bench -- …`: each measurement prints Markdown and stores it, with JSON next to it. */
import { report } from '../cli/terminal/report.js';
import { createBenchProgram } from './program.js';

// Ends with its parent process, so that it does not keep using the GPU during the next measurement.
if (process.channel) {
  process.once('disconnect', () => process.exit(137));
  process.channel.unref();
}

let code = 0;
try {
  await createBenchProgram().parseAsync();
} catch (error) {
  code = report(error, (text) => process.stderr.write(text), process.env);
}
// Dawn keeps threads and promises of its own; the command is over when its output is written.
process.stdout.write('', () => process.exit(code));
