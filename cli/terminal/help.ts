/** How `--help` looks: its width, the notes behind an option, the headings, and the text below the options. */
import { type Command, Help, type Option } from 'commander';

/** Wider lines are hard to read. Also the width if the output is not a terminal. */
const MAX_WIDTH = 100;
/** Columns that help may take. */
export const helpWidth = (): number => Math.min(process.stdout.columns ?? MAX_WIDTH, MAX_WIDTH);

/** Terms with their meaning, shown as a list. */
type Terms = Readonly<Record<string, string>>;

/** What stands below the options of a command. */
export interface HelpText {
  /** Paragraphs, which are wrapped, and lists of terms. */
  readonly about?: readonly (string | Terms)[];
  /** Complete command lines, one string each. */
  readonly examples: readonly string[];
  /** Commands that usually follow. */
  readonly next?: readonly string[];
}

/**
 * The order of headings, and of the options below them. A training command has far too many options for one list. An
 * option that is in none of these lists keeps its place under `Options:`.
 */
const TRAINING_GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Input and output:': [
    'clip',
    'teacher',
    'teacher-clip',
    'student-clip',
    'tokenizer',
    'class-vectors',
    'out',
    'setting',
    'preset',
    'config',
    'teacher-config',
    'student-config',
    'resume',
    'dry-run',
    'tensorboard',
    'json',
  ],
  'Data:': [
    'data',
    'dataset',
    'source',
    'classes',
    'shots',
    'images-per-class',
    'crop-scale',
    'views',
    'template',
  ],
  'What is trained:': [
    'method',
    'train',
    'projection-layers',
    'text-features',
    'vision-depth',
    'vision-length',
    'text-depth',
    'text-length',
    'context-init',
  ],
  'Optimisation:': [
    'epochs',
    'batch',
    'accumulate',
    'learning-rate',
    'scale-lr',
    'warmup-epochs',
    'warmup-learning-rate',
    'momentum',
    'weight-decay',
    'kd-loss',
    'kd-weight',
    'temperature',
    'text-weight',
    'image-weight',
    'average-mean',
    'average-deviation',
    'select',
    'select-classes',
    'eval-every',
  ],
  'Memory and speed:': ['precision', 'recompute', 'teacher-cache', 'fill-cache', 'workers', 'tune'],
  'Several machines:': ['shard', 'collect'],
  'Reproducibility:': ['seed', 'crop-seed'],
  'Robustness:': ['max-broken', 'strict', 'allow-outside', 'checkpoint-minutes'],
};

/** The heading of options that choose and limit the GPU, in every command that has one. */
export const GPU_GROUP = 'GPU:';

const HEADINGS = [...Object.keys(TRAINING_GROUPS), GPU_GROUP];
const ORDER = new Map(Object.values(TRAINING_GROUPS).flatMap((names) => names.map((name, i) => [name, i])));

/** Sorts the options of a training command under headings. Call it when the command has all of them. */
export function groupTrainingOptions(command: Command): Command {
  for (const [heading, names] of Object.entries(TRAINING_GROUPS))
    for (const option of command.options) if (names.includes(optionName(option))) option.helpGroup(heading);
  return command;
}

const optionName = (option: Option): string => option.long?.replace(/^--/, '') ?? '';

/** For `Command.configureHelp`: commands that are registered afterwards inherit it. */
export const helpFormat: Partial<Help> = {
  optionDescription(option) {
    const { argChoices, defaultValue, defaultValueDescription, envVar, flags } = option;
    const takesValue = option.required || option.optional;
    const notes = [
      ...(option.mandatory ? ['required'] : []),
      ...(argChoices && !flags.includes(argChoices.join('|')) ? [`choices: ${argChoices.join(', ')}`] : []),
      ...(takesValue && defaultValue !== undefined
        ? [`default: ${defaultValueDescription ?? defaultValue}`]
        : []),
      ...(envVar === undefined ? [] : [`env: ${envVar}`]),
    ];
    if (notes.length === 0) return option.description;
    // A default that the description states already shares the parentheses.
    const [, text, stated] = /^(.*) \((default: [^()]*)\)$/s.exec(option.description) ?? [];
    return `${text ?? option.description} (${[...(stated === undefined ? [] : [stated]), ...notes].join('; ')})`;
  },
  groupItems(_, visible, getGroup) {
    const groups = new Map<string, typeof visible>();
    for (const item of visible) groups.set(getGroup(item), [...(groups.get(getGroup(item)) ?? []), item]);
    // A command without training groups lists its own options before those of the GPU; the sort keeps other orders.
    const rest = groups.has('Optimisation:') ? HEADINGS.length : -1;
    const place = (heading: string) => (HEADINGS.includes(heading) ? HEADINGS.indexOf(heading) : rest);
    const sorted = [...groups].sort(([a], [b]) => place(a) - place(b));
    return new Map(sorted.map(([heading, items]) => [heading, inOrder(heading, items)]));
  },
};

/** The options of a training group in the order of its list; other items stay as they are. */
function inOrder<T extends Command | Option>(heading: string, items: T[]): T[] {
  if (!(heading in TRAINING_GROUPS)) return items;
  const place = (item: T) => ORDER.get('flags' in item ? optionName(item) : '') ?? 0;
  return items.sort((a, b) => place(a) - place(b));
}

/** Adds what stands below the options, wrapped to the width of the terminal. */
export function addHelp(command: Command, help: HelpText): Command {
  return command.addHelpText('after', () => `\n${formatHelpText(help, helpWidth())}`);
}

/** The text below the options; only words longer than the width exceed it. */
function formatHelpText({ about = [], examples, next = [] }: HelpText, width: number): string {
  const parts = about.map((part) =>
    typeof part === 'string' ? wrap(part, width) : formatTerms(part, width),
  );
  const commands = (lines: readonly string[]) => lines.map((line) => breakCommand(line, width)).join('\n');
  const shown = [
    ...(examples.length > 0
      ? [`${examples.length > 1 ? 'Examples' : 'Example'}:\n${commands(examples)}`]
      : []),
    ...(next.length > 0 ? [`Next:\n${commands(next)}`] : []),
  ];
  return [...parts, ...shown].join('\n\n');
}

/** Terms in a column, and what they mean beside them. */
export function formatTerms(terms: Terms, width: number): string {
  const entries = Object.entries(terms);
  const column = Math.max(...entries.map(([term]) => term.length)) + 4;
  return entries
    .map(([term, meaning]) => {
      const text = wrap(meaning, width - column).replaceAll('\n', `\n${' '.repeat(column)}`);
      return `  ${term.padEnd(column - 2)}${text}`;
    })
    .join('\n');
}

const wrap = (text: string, width: number): string => new Help().boxWrap(text, width);

/** A command with continuation lines in front of options, as a shell takes it. */
function breakCommand(command: string, width: number): string {
  const lines: string[] = [];
  let line = ' ';
  for (const part of command.split(/ (?=-)/)) {
    if (line.length + part.length + 3 > width && line.trim() !== '') {
      lines.push(`${line} \\`);
      line = '   ';
    }
    line += ` ${part}`;
  }
  return [...lines, line].join('\n');
}
