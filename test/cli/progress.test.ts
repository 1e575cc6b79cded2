import { Writable } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createProgress, type Output, seconds } from '../../cli/terminal/progress.js';
import { formatAccuracies } from '../../cli/terminal/table.js';

/** A stream that records what is written. */
function capture(isTTY: boolean) {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return { lines, output: Object.assign(stream, { isTTY, columns: 120 }) as Output };
}

afterEach(() => vi.useRealTimers());

describe('progress in a log', () => {
  it('is a line at the start, at least every ten seconds, and at the end', () => {
    vi.useFakeTimers();
    const { lines, output } = capture(false);
    const bar = createProgress(output).begin('training', 40);
    expect(lines).toEqual(['training ...\n']);
    for (let i = 1; i <= 10; i++) {
      vi.advanceTimersByTime(100);
      bar.update(i, `loss ${i}`);
    }
    expect(lines).toHaveLength(1);
    // It prints even if nobody calls update.
    vi.advanceTimersByTime(60_000);
    expect(lines.length).toBeGreaterThanOrEqual(1 + 6);
    bar.update(40);
    bar.end();
    expect(lines.at(-1)).toMatch(/^training: 100% {2}40\/40 .* loss 10\n$/);
    const ended = lines.length;
    bar.end();
    vi.advanceTimersByTime(60_000);
    expect(lines).toHaveLength(ended);
  });

  it('prints nothing about a closed bar', () => {
    vi.useFakeTimers();
    const { lines, output } = capture(false);
    const progress = createProgress(output);
    const bar = progress.begin('a', 2);
    progress.close();
    bar.end();
    vi.advanceTimersByTime(60_000);
    expect(lines).toEqual(['a ...\n']);
  });
});

describe('progress on a terminal', () => {
  it('draws a bar of one line, with notes above it', () => {
    const { lines, output } = capture(true);
    const progress = createProgress(output);
    const bar = progress.begin('training', 40);
    bar.update(40, 'loss 1.0');
    progress.note('by the way');
    bar.end();
    const text = lines.join('');
    expect(text).toMatch(/training .*100%.*40\/40.*loss 1\.0/);
    expect(text).toContain('by the way\n');
  });
});

describe('tables', () => {
  it('show times and accuracies', () => {
    expect([seconds(4_230), seconds(185_400)]).toEqual(['4.2 s', '3 min 05 s']);
    const row = { name: 'student', base: 40, novel: undefined, all: 12.345, images: { base: 5, novel: 0 } };
    expect(formatAccuracies([row])).toMatch(/student │ 40\.0 │ +- │ +- │ 12\.3/);
  });
});
