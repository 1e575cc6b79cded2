/** The list of broken images, and what is said of them. */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { Skipped } from '../../../models/datasets/skipped.js';

describe('Skipped', () => {
  it('names the first twenty in a message, and all in a file that reads back', () => {
    const skipped = new Skipped(40, 0.5);
    for (let i = 20; i >= 0; i--) skipped.note(`${String(i).padStart(2, '0')}.png`, 'it is empty');
    const error = (() => {
      try {
        skipped.check();
      } catch (e) {
        return e as UserError;
      }
    })();
    expect(error).toBeInstanceOf(UserError);
    expect(error?.message).toMatch(
      /^21 of 40 .*: 00\.png \(it is empty\); .*19\.png \(it is empty\); and 1 more$/,
    );
    expect(error?.hint).toContain('--max-broken');
    expect(skipped.text().split('\n')).toHaveLength(22);
    const later = new Skipped(40, 1);
    later.restore(skipped.text());
    expect(later.text()).toBe(skipped.text());
  });

  it('keeps a file once, with its first reason, on one line', () => {
    const skipped = new Skipped(3, 1);
    skipped.add('a\nb\t\u001b[31m.png', 'first');
    skipped.add('a\nb\t\u001b[31m.png', 'second');
    expect(skipped.text()).toBe('a\\x0ab\\x09\\x1b[31m.png\tfirst\n');
    expect(skipped.summary()).toBe('1 of 3 images was skipped: a\\x0ab\\x09\\x1b[31m.png (first)');
    skipped.expect(2);
    expect(skipped.said()).toBe('1 of 5 images was skipped');
  });
});
