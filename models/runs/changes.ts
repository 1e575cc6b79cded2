/** Differences between the settings of a run and those that it is resumed with. */
import { UserError } from '../../engine/index.js';

/** A field of the settings with different values. */
export interface Difference {
  readonly field: string;
  /** Undefined if not given. */
  readonly before: unknown;
  readonly now: unknown;
}

/** Paths, and settings that do not affect results. The content at the paths is compared by hash. */
const MOVABLE: readonly string[] = [
  'data',
  'clip',
  'tokenizer',
  'teacher',
  'teacherClip',
  'classVectors',
  'maxBroken',
  'allowOutside',
  'evalEvery',
];

/** Fields whose values differ and must not; settings have one level. */
export function differences(before: unknown, now: unknown): Difference[] {
  const [old, fresh] = [fieldsOf(before), fieldsOf(now)];
  return Object.keys({ ...old, ...fresh })
    .filter((field) => !MOVABLE.includes(field))
    .filter((field) => JSON.stringify(old[field]) !== JSON.stringify(fresh[field]))
    .map((field) => ({ field, before: old[field], now: fresh[field] }));
}

/** The fields of parsed settings; none where they are something else. */
export const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** The error for a run that is not to be continued with other settings, naming each with both values. */
export function otherSettings(what: string, found: readonly Difference[]): UserError {
  const shown = (value: unknown) => (value === undefined ? 'not given' : JSON.stringify(value));
  const list = found.map(
    ({ field, before, now }) => `${field} is ${shown(before)} there and ${shown(now)} now`,
  );
  return new UserError(
    `${what} has other settings: ${list.join('; ')}`,
    `leave these out to continue it, or give another folder; only ${MOVABLE.slice(0, -1).join(', ')} and ${MOVABLE.at(-1)} may change`,
  );
}
