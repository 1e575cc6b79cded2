/** Reading the JSON files of a reference folder. */
import * as v from 'valibot';
import { UserError } from '../../engine/index.js';
import type { Platform } from '../../models/platform.js';

/** Parses a JSON file. @throws UserError naming it when it is none */
export async function readJson(platform: Platform, file: string): Promise<unknown> {
  try {
    return JSON.parse(await platform.readText(file));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file} is not JSON: ${(error as Error).message}`, 'restore the file');
  }
}

/** Checks JSON against a schema. @throws UserError naming file and field */
export function checkJson<T>(schema: v.GenericSchema<unknown, T>, value: unknown, file: string): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const issue = result.issues[0]!;
  throw new UserError(
    `${file}: ${v.getDotPath(issue) ?? '(file)'}: ${issue.message}`,
    'use a complete reference file',
  );
}
