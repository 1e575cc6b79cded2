/** Shows the progress of a job: bars on a terminal, a line every few seconds in a log. */
import cliProgress from 'cli-progress';
import type { ProgressBar } from '../../models/job.js';

/** Longest time between two lines in a log, in milliseconds. */
const SILENCE = 8_000;

/** A stream such as `process.stderr`. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** Reports progress to the user. */
export interface Progress {
  /** Starts a bar of `total` units, and ends the one before. */
  begin(label: string, total: number): ProgressBar;
  /** Prints a line that stays, above the current bar. */
  note(line: string): void;
  /** Ends the current bar, if an error has left one. */
  close(): void;
}

/** Bars if the output is a terminal, lines otherwise. */
export function createProgress(output: Output = process.stderr): Progress {
  return output.isTTY ? new Bars(output) : new Lines(output);
}

/** One bar at a time; a new one ends the one before. */
class Bars implements Progress {
  private current: cliProgress.SingleBar | undefined;

  constructor(private readonly output: Output) {}

  begin(label: string, total: number): ProgressBar {
    this.close();
    // A total of 1 means fractions, which have no meaningful rate.
    const counts = total > 1 ? '  {value}/{total}  {rate}/s' : '';
    const bar = new cliProgress.SingleBar({
      stream: this.output,
      format: `{label} {bar} {percentage}%${counts}  {duration_formatted}, {eta_formatted} left  {note}`,
      barCompleteChar: '━',
      barIncompleteChar: '─',
      barsize: 24,
      etaBuffer: 50,
      // If turned off, it would stay off in the terminal when the command is killed.
      linewrap: true,
      // The event loop is busy queueing work, so a timer alone would redraw late.
      synchronousUpdate: true,
    });
    const started = performance.now();
    bar.start(total, 0, { label, note: '', rate: '…' });
    this.current = bar;
    return {
      update: (done, note) => {
        if (bar !== this.current) return;
        bar.update(done, { rate: rate(done, started), ...(note !== undefined && { note }) });
      },
      end: () => {
        if (bar === this.current) this.close();
      },
    };
  }

  note(line: string): void {
    write(this.output, `${this.current ? '\r\x1b[K' : ''}${line}\n`);
    this.current?.render();
  }

  close(): void {
    this.current?.stop();
    this.current = undefined;
  }
}

/** A line at the start, one every few seconds, and one at the end. */
class Lines implements Progress {
  private stop: (() => void) | undefined;

  constructor(private readonly output: Output) {}

  begin(label: string, total: number): ProgressBar {
    this.close();
    const started = performance.now();
    let [done, note, last] = [0, '', started];
    const line = (): void => {
      last = performance.now();
      const share = total === 0 ? 100 : Math.floor((100 * done) / total);
      const counts = total > 1 ? `  ${Math.floor(done)}/${total}  ${rate(done, started)}/s` : '';
      this.note(`${label}: ${share}%${counts}  ${seconds(last - started)}${note && `  ${note}`}`);
    };
    this.note(`${label} ...`);
    // Steps may be slow, and nobody calls `update` meanwhile.
    const timer = setInterval(() => {
      if (performance.now() - last >= SILENCE) line();
    }, SILENCE / 4);
    timer.unref();
    const end = (): void => {
      clearInterval(timer);
      if (this.stop === end) this.stop = undefined;
    };
    this.stop = end;
    return {
      update: (value, text) => {
        done = value;
        note = text ?? note;
        if (performance.now() - last >= SILENCE) line();
      },
      end: () => {
        if (this.stop !== end) return;
        end();
        line();
      },
    };
  }

  note(line: string): void {
    write(this.output, `${line}\n`);
  }

  close(): void {
    this.stop?.();
  }
}

/** A run must not end because stderr cannot be written, for instance to a full disk. */
function write(output: Output, text: string): void {
  try {
    output.write(text);
  } catch {}
}

function rate(done: number, started: number): string {
  const perSecond = done / ((performance.now() - started) / 1000);
  return Number.isFinite(perSecond) ? perSecond.toFixed(perSecond < 10 ? 1 : 0) : '…';
}

/** Formats milliseconds as `4.2 s` or `3 min 05 s`. */
export function seconds(milliseconds: number): string {
  const total = milliseconds / 1000;
  if (total < 60) return `${total.toFixed(1)} s`;
  const whole = Math.round(total);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}
