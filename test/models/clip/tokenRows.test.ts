/** Rows of the token table, read where they are needed. */
import { describe, expect, it } from 'vitest';
import { type StoredTensor, storedTensor, transposed } from '../../../formats/tensors.js';
import { lookUp, readTokenRows } from '../../../models/clip/text.js';

const [VOCABULARY, WIDTH] = [1000, 4];
const values = Float32Array.from({ length: VOCABULARY * WIDTH }, (_, i) => i);
const bytes = new Uint8Array(values.buffer);

function table(onRange: (rows: number) => void, ranges = true): StoredTensor {
  return storedTensor({
    name: 'token_embedding.weight',
    dtype: 'F32',
    shape: [VOCABULARY, WIDTH],
    bytes: async () => {
      onRange(VOCABULARY);
      return bytes;
    },
    ...(ranges && {
      range: async (offset: number, length: number) => {
        onRange(length / 4 / WIDTH);
        return bytes.subarray(offset, offset + length);
      },
    }),
    fail: (problem) => {
      throw new Error(problem);
    },
  });
}

describe('token rows', () => {
  const sequences = [Int32Array.of(998, 5, 5, 999, 0), Int32Array.of(998, 7, 400, 999, 0)];
  const expected = sequences.map((tokens) =>
    Array.from(tokens).flatMap((token) => [0, 1, 2, 3].map((i) => WIDTH * token + i)),
  );

  it.each([true, false])('are those of the whole table (in parts: %s)', async (parts) => {
    const read: number[] = [];
    const rows = await readTokenRows(
      table((count) => read.push(count), parts),
      sequences,
    );
    expect(sequences.map((tokens) => [...lookUp(rows, WIDTH, tokens)])).toEqual(expected);
    expect(read).toEqual(parts ? [8, 1, 2] : [VOCABULARY]);
  });
  it('of another order of the same numbers are read as a whole', async () => {
    const turned = transposed(
      table(() => {}),
      't',
    );
    expect(turned.readRows).toBe(undefined);
    const rows = await readTokenRows(turned, [Int32Array.of(2)]);
    expect(rows.get(2)![1]).toBe(WIDTH + 2);
  });
  it('must be in the table', async () => {
    for (const token of [VOCABULARY, -1])
      await expect(
        readTokenRows(
          table(() => {}),
          [Int32Array.of(0, token)],
        ),
      ).rejects.toThrow(`token id ${token} is outside the model's vocabulary of ${VOCABULARY}`);
  });
});
