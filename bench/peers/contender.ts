/** One of the compared processes. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type AnswerTo, Client, type Description, type Question } from './protocol.js';

/** How to start a process. */
export interface ContenderSpec {
  readonly id: string;
  /** Name of a file in children/, without extension. */
  readonly program: string;
  readonly arguments: readonly string[];
}

/** Some libraries compile for many seconds at their first dispatch, but a process that needs longer than this hangs. */
const PATIENCE_MS = 240_000;

/** A running process that answers questions. */
export class Contender {
  private constructor(
    readonly spec: ContenderSpec,
    readonly description: Description,
    private readonly client: Client,
    private readonly kill: () => void,
  ) {}

  /** Starts the process and waits until it answers. */
  static async start(spec: ContenderSpec): Promise<Contender> {
    const script = fileURLToPath(new URL(`./children/${spec.program}.js`, import.meta.url));
    const child = spawn(process.execPath, [script, ...spec.arguments], { stdio: ['pipe', 'pipe', 'pipe'] });
    const client = new Client(spec.id, (line) => child.stdin.write(line));
    createInterface({ input: child.stdout }).on('line', (line) => client.line(line));
    createInterface({ input: child.stderr }).on('line', (line) => client.line(line));
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => client.ended(error.message));
    child.on('exit', (code, signal) => client.ended(`exit ${signal ?? code}`));
    const kill = () => void child.kill('SIGKILL');
    try {
      const description = await patiently(client.ask({ do: 'describe' }), spec.id, kill);
      return new Contender(spec, description, client, kill);
    } catch (error) {
      kill();
      throw error;
    }
  }

  /** Asks a question. Kills the process if it does not answer in time. */
  ask<Q extends Question>(question: Q): Promise<AnswerTo<Q>> {
    return patiently(this.client.ask(question), this.spec.id, this.kill);
  }

  /** Kills the process. */
  stop(): void {
    this.kill();
  }
}

async function patiently<T>(answer: Promise<T>, id: string, kill: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      kill();
      reject(new Error(`${id} did not answer within ${PATIENCE_MS / 1000} s`));
    }, PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
