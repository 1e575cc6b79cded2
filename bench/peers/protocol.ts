/**
 * The protocol between the bench and the compared processes: one JSON object per line, questions on stdin and answers on stdout.
 * Other lines on stdout were printed by a library. They are examined with the next answer, because Dawn reports invalid use in this
 * way, and invalid work must not be timed.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { PeerCase } from './cases.js';

/** What a process says about itself. */
export interface Description {
  readonly name: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Name of the adapter; absent if the library does not tell. */
  readonly adapter?: string;
}

/** What the bench asks a process. */
export type Question =
  | { readonly do: 'describe' }
  /** The variants of a case that this process implements. */
  | { readonly do: 'variants'; readonly work: PeerCase }
  /** Prepares a variant, runs it once, and returns the results at `places`. */
  | {
      readonly do: 'prepare';
      readonly work: PeerCase;
      readonly variant: string;
      readonly places: readonly number[];
    }
  /** Runs a prepared variant `count` times and waits; then reads the last 16 results, outside the timed part. */
  | { readonly do: 'run'; readonly variant: string; readonly count: number }
  /** Frees everything that was prepared. */
  | { readonly do: 'release' };

/** The answer to each kind of question. */
export interface Answers {
  readonly describe: Description;
  readonly variants: readonly string[];
  readonly prepare: readonly number[];
  readonly run: { readonly milliseconds: number; readonly probe: readonly number[] };
  readonly release: null;
}

/** The answer to a question. */
export type AnswerTo<Q extends Question> = Answers[Q['do']];

/** The handlers that a process implements. */
export type Service = {
  readonly [Kind in Question['do']]: (question: Extract<Question, { do: Kind }>) => Promise<Answers[Kind]>;
};

interface Reply {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}

/** Answers questions from `input`, one after the other, until it ends. */
export async function serve(
  service: Service,
  input: Readable = process.stdin,
  write: (line: string) => void = (line) => void process.stdout.write(line),
): Promise<void> {
  // Without a live handle Node may block on background compilation before a GPU promise resolves.
  const alive = setInterval(() => {}, 2 ** 30);
  for await (const line of createInterface({ input })) {
    const { id, ...question } = JSON.parse(line) as Question & { id: number };
    let reply: Reply;
    try {
      const handle = service[question.do] as (q: Question) => Promise<unknown>;
      reply = { id, answer: await handle(question as Question) };
    } catch (error) {
      reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    write(`${JSON.stringify(reply)}\n`);
  }
  clearInterval(alive);
}

/** Asks questions, one at a time, and matches the answers. */
export class Client {
  private waiting:
    | { id: number; resolve: (reply: Reply) => void; reject: (error: Error) => void }
    | undefined;
  private nextId = 1;
  private noise: string[] = [];
  private failure: Error | undefined;

  constructor(
    private readonly name: string,
    private readonly write: (line: string) => void,
  ) {}

  /**
   * Asks the process and waits for its answer.
   *
   * @throws Error when the process has ended, is still answering, answers with an error, or reported a GPU error since the last answer
   */
  async ask<Q extends Question>(question: Q): Promise<AnswerTo<Q>> {
    if (this.failure) throw this.failure;
    if (this.waiting) throw new Error(`${this.name} is still answering another question`);
    const id = this.nextId++;
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.waiting = { id, resolve, reject };
      this.write(`${JSON.stringify({ ...question, id })}\n`);
    });
    if (reply.error !== undefined) throw new Error(`${this.name}: ${reply.error}`);
    const complaints = this.noise.filter((line) => /validation|device.*lost|out of memory/i.test(line));
    this.noise = [];
    if (complaints.length > 0)
      throw new Error(`${this.name} reported: ${complaints.join('; ').slice(0, 500)}`);
    return reply.answer as AnswerTo<Q>;
  }

  /** Handles a line that the process wrote. */
  line(line: string): void {
    const reply = parseReply(line);
    if (!reply || reply.id !== this.waiting?.id) {
      this.noise.push(line);
      return;
    }
    const { resolve } = this.waiting;
    this.waiting = undefined;
    resolve(reply);
  }

  /** Handles the end of the process. */
  ended(reason: string): void {
    this.failure = new Error(`${this.name} ended: ${[reason, ...this.noise.slice(-5)].join('\n')}`);
    this.waiting?.reject(this.failure);
    this.waiting = undefined;
  }
}

function parseReply(line: string): Reply | undefined {
  try {
    const value = JSON.parse(line) as Reply;
    return typeof value?.id === 'number' && ('answer' in value || 'error' in value) ? value : undefined;
  } catch {
    return undefined;
  }
}
