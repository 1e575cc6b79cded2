/** Finds command lines in documents and help texts, and parses them with the real commander programs without running them. */
import { type Command, CommanderError } from 'commander';
import { createBenchProgram } from '../../bench/program.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { createProgram } from '../../cli/program.js';
import { readSettings, type SettingsFlags, type Stage } from '../../cli/settings.js';

/** A command as a shell would pass it: `promptkd`, `npm`, ... and its arguments. */
export type Words = readonly string[];

/** The fenced code blocks of a Markdown text that hold shell commands, or say nothing about their language. */
export const shellBlocks = (markdown: string): string[] =>
  [...markdown.matchAll(/^```(\w*)\n(.*?)^```/gms)]
    .filter(([, language]) => ['', 'sh', 'bash', 'shell', 'console'].includes(language ?? ''))
    .map(([, , text]) => text ?? '');

/** The simple commands of a shell text, without prompts, comments, redirections and variable assignments. */
export function commandsIn(text: string): Words[] {
  // A loop is checked with its first value.
  const assignments = [...text.matchAll(/^(\w+)="(.*)"$/gm), ...text.matchAll(/\bfor (\w+) in ([^\s;]+)/g)];
  const variables = new Map(assignments.map(([, name, value]) => [name, value]));
  const expand = (line: string): string =>
    line.replace(/\$\{?(\w+)\}?/g, (all, name: string) => variables.get(name) ?? all);
  return text
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap((line) => simpleCommands(expand(line.replace(/^\s*\$ /, ''))));
}

/** Splits a line at `&&`, `||`, `|`, `;`, and into words at spaces outside quotes; `#` starts a comment. */
function simpleCommands(line: string): Words[] {
  const commands: string[][] = [[]];
  for (const [, double, single, word, operator, comment] of line.matchAll(
    /"([^"]*)"|'([^']*)'|((?!#)[^\s"'|&;]+)|([|&;]+)|(#.*)/g,
  )) {
    if (comment !== undefined) break;
    if (operator !== undefined) commands.push([]);
    else commands.at(-1)?.push(double ?? single ?? word ?? '');
  }
  return commands.map(withoutPrefix).filter((words) => words.length > 0);
}

function withoutPrefix(words: readonly string[]): Words {
  const start = words.findIndex((word) => !/^(\w+=.*|do|then|time|env|nohup|sudo|npx)$/.test(word));
  const redirection = words.findIndex((word) => /^\d?[<>]/.test(word));
  return start < 0 ? [] : words.slice(start, redirection < 0 ? undefined : redirection);
}

/** The arguments of promptkd or of `npm run bench`, or undefined for another command. */
function programOf(words: Words): { readonly program: Command; readonly args: Words } | undefined {
  const [name, first, second] = words;
  if (name === 'promptkd') return { program: createProgram(), args: words.slice(1) };
  if (name === 'node' && first?.endsWith('dist/cli/main.js'))
    return { program: createProgram(), args: words.slice(2) };
  if (name !== 'npm' || first !== 'run') return undefined;
  const args = words.slice(words.indexOf('--') < 0 ? words.length : words.indexOf('--') + 1);
  if (second === 'bench') return { program: createBenchProgram(), args };
  return second === 'demo' ? { program: createProgram(), args: ['demo', ...args] } : undefined;
}

/** Options of which a command needs at least one, though commander does not know it. */
const ALTERNATIVES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'class-vectors': [
    ['teacher', 'clip'],
    ['classes', 'class', 'data'],
  ],
};

const STAGES: Readonly<Record<string, Stage>> = { teacher: 'teacher', distill: 'student' };

/**
 * Parses a command line of this project as the command itself would, without running it.
 *
 * @returns whether it is one of this project
 * @throws for an unknown command or option, a wrong value or a missing option
 */
export async function parseCommandLine(words: Words): Promise<boolean> {
  const found = programOf(words);
  if (!found) return false;
  const { program, args } = found;
  let parsed: Command | undefined;
  for (const command of [program, ...program.commands]) {
    command.configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} });
    if (command !== program)
      command.action(() => {
        parsed = command;
      });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return true;
    throw error;
  }
  if (parsed) await checkOptions(parsed);
  return true;
}

/** The checks that a command makes itself before it starts. */
async function checkOptions(command: Command): Promise<void> {
  const flags: Record<string, unknown> = command.opts();
  for (const names of ALTERNATIVES[command.name()] ?? [])
    if (names.every((name) => flags[name] === undefined))
      throw new Error(`${command.name()} needs one of --${names.join(', --')}`);
  const stage = command.parent?.name() === 'promptkd' ? STAGES[command.name()] : undefined;
  // The other settings may come from a file or a run that a document only talks about.
  const complete = flags.config === undefined && flags.resume === undefined && flags.dryRun === undefined;
  if (stage && complete) await readSettings(nodePlatform, stage, flags as unknown as SettingsFlags);
}
