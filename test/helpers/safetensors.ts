import { readFileSync, writeFileSync } from 'node:fs';

type Header = Record<string, { shape: number[] }>;

/** Copies a safetensors file with another header: the way to a wrong key or shape. */
export function rewriteHeader(from: string, to: string, change: (header: Header) => void): void {
  const bytes = readFileSync(from);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Header;
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(to, Buffer.concat([length, text, bytes.subarray(start)]));
}
