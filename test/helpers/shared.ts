import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';

/** Reference data that is kept beside the repository, not in it. Tests that need it are skipped without it. */
export const sharedFolder = fileURLToPath(new URL('../../../shared', import.meta.url));

/** A suite that needs `path` of the shared folder; without it, one skipped test that says so. */
export function describeWithShared(path: string, name: string, body: () => void): void {
  if (existsSync(`${sharedFolder}/${path}`)) describe(name, body);
  else it.skip(`${name} (skipped: ../shared/${path} is not here)`);
}

export interface RawTensor {
  readonly dtype: string;
  readonly shape: number[];
  readonly data: Uint8Array;
}

/** A safetensors file as raw bytes per tensor: 8-byte header length, JSON header, data. For goldens only. */
export function readRawTensors(path: string): Map<string, RawTensor> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => [name, { dtype, shape, data: bytes.subarray(start + from, start + to) }],
      ),
  );
}

export interface PreprocessCase {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly test: number[];
  readonly train: { left: number; top: number; width: number; height: number; flip: boolean; size: number }[];
}

export function readPreprocessCases(): PreprocessCase[] {
  return JSON.parse(readFileSync(`${sharedFolder}/goldens/preprocess/cases.json`, 'utf8'));
}
