import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import type { WrittenPiece } from '../../formats/files.js';

/** A temporary folder for one test file, removed afterwards. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `promptkd-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files under `folder`; a path alone makes an empty file. Returns the folder. */
export function makeFiles(folder: string, files: Record<string, string> | string[]): string {
  const entries = Array.isArray(files) ? files.map((path) => [path, ''] as const) : Object.entries(files);
  mkdirSync(folder, { recursive: true });
  for (const [path, content] of entries) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

/** What a file of these pieces holds. */
export async function bytesOf(pieces: AsyncIterable<WrittenPiece>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const patches: Exclude<WrittenPiece, Uint8Array>[] = [];
  for await (const piece of pieces) {
    if (piece instanceof Uint8Array) parts.push(piece);
    else patches.push(piece);
  }
  const whole = Uint8Array.from(Buffer.concat(parts));
  for (const { at, bytes } of patches) whole.set(bytes, at);
  return whole;
}
