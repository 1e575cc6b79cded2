import { readFileSync, writeFileSync } from 'node:fs';

type Header = Record<string, { shape: number[] }>;

/** Copies a safetensors file with another header: the way to a wrong key or shape. It has no checksum then. */
export function rewriteHeader(from: string, to: string, change: (header: Header) => void): void {
  writeFileSync(to, withHeader(readFileSync(from), change));
}

/** The bytes of such a copy. */
export function withHeader(file: Uint8Array, change: (header: Header) => void): Uint8Array {
  const bytes = Buffer.from(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  if (header.__metadata__) delete header.__metadata__.checksum;
  change(header);
  return assemble(header, [bytes.subarray(start)]);
}

/** A file without a checksum, as other programs write it. */
export const unsealed = (file: Uint8Array): Uint8Array => withHeader(file, () => {});

const DTYPES = { Float32Array: 'F32', Uint16Array: 'F16', Int32Array: 'I32', Uint8Array: 'U8' } as const;

/** Any tensors as they are, also those that are not finite, which ours refuses to write; `Uint16Array` are the bits of float16. */
export function rawSafetensors(
  tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly data: Float32Array | Uint16Array | Int32Array | Uint8Array;
  }[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  for (const { name, shape, data } of tensors) {
    const dtype = DTYPES[data.constructor.name as keyof typeof DTYPES];
    header[name] = { dtype, shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  return assemble(
    header,
    tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );
}

function assemble(header: unknown, data: readonly Uint8Array[]): Uint8Array {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Uint8Array.from(Buffer.concat([length, text, ...data]));
}
