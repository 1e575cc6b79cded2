/** Every command line that a document or a help text shows is one that the program accepts. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../cli/program.js';
import { commandsIn, parseCommandLine, shellBlocks, type Words } from '../helpers/commandLines.js';

const root = new URL('../../', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8');
const documents = [
  ...['README.md', 'CONTRIBUTING.md'].filter((name) => existsSync(new URL(name, root))),
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);

/** Asserts that all commands are accepted. Returns how many are this project's. */
async function accept(commands: readonly Words[]): Promise<number> {
  let count = 0;
  for (const words of commands) {
    const ours = await parseCommandLine(words).catch((error: Error) => {
      throw new Error(`${words.join(' ')}\n${error.message}`);
    });
    if (ours) count++;
    if (words[0] === 'npm' && words[1] === 'run') expect(scripts, words.join(' ')).toContain(words[2]);
  }
  return count;
}

describe('the documents', () => {
  it.each(documents)('%s shows only commands that exist', async (name) => {
    const count = await accept(shellBlocks(read(name)).flatMap(commandsIn));
    // The README without commands would mean that this test does not find them.
    if (name === 'README.md') expect(count).toBeGreaterThanOrEqual(4);
  });
});

describe('--help', () => {
  it.each(createProgram().commands.map((command) => command.name()))(
    '%s shows an example that works, within 100 columns',
    async (name) => {
      const command = createProgram().commands.find((one) => one.name() === name);
      let text = '';
      command?.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 100 });
      command?.outputHelp();
      const start = text.search(/^(Example|Examples|Next):$/m);
      expect(await accept(commandsIn(text.slice(start).replace(/^\w+:$/gm, '')))).toBeGreaterThan(0);
      expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
    },
  );
});

describe('parseCommandLine', () => {
  it.each([
    ['promptkd teech', /unknown command/],
    ['promptkd doctor --colour', /unknown option/],
    ['promptkd export runs/pets --format zip --out a.zip', /Allowed choices/],
    ['promptkd export runs/pets --format pytorch', /required option '--out <path>'/],
    ['promptkd distill --teacher t --data d --out o', /--clip is missing/],
    ['npx promptkd teacher --clip c --data d --out o --shots many', /Give a number/],
    ['promptkd class-vectors --clip c --out o', /needs one of --classes, --class, --data/],
    ['npm run bench -- ladder', /missing required argument/],
  ])('refuses %s', async (line, message) => {
    const [words] = commandsIn(line);
    await expect(parseCommandLine(words ?? [])).rejects.toThrow(message);
  });

  it('finds commands behind prompts, variables, operators and in front of comments', () => {
    const text = `stage="promptkd distill --epochs 3"
$ PROMPTKD_ADAPTER=swiftshader npx promptkd doctor --json > report.json   # all of it
npm install && npm run demo -- --seed 2
$stage --clip 'a b' \\
  --out "c d"
`;
    expect(commandsIn(text).slice(1)).toEqual([
      ['promptkd', 'doctor', '--json'],
      ['npm', 'install'],
      ['npm', 'run', 'demo', '--', '--seed', '2'],
      ['promptkd', 'distill', '--epochs', '3', '--clip', 'a b', '--out', 'c d'],
    ]);
  });
});
