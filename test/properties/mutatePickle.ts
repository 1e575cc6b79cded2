/** Archives whose pickle is damaged opcode by opcode, with right checksums and sizes around it. */
import { writeZip } from '../helpers/torchFixtures.js';
import { type Next, pick } from './choices.js';

/** Opcodes and short runs of them: each may come once, or very often. */
const OPCODES = [
  ']',
  '}',
  ')',
  '(',
  'N',
  '0',
  '1',
  '2',
  'a',
  'e',
  's',
  'u',
  't',
  'b',
  'R',
  '.',
  'Q',
  '\x81',
  '\x85',
  '\x86',
  '\x87',
  '\x89',
  '\x8f',
  '\x90',
  '\x91',
  '\x92',
  '\x93',
  '\x94',
  'h\x00',
  'q\x00',
  'j\xff\xff\xff\x7f',
  'r\x01\x02\x03\x7f',
  '\x8c\x02ab',
  'C\x00',
  'C\x03abc',
  'X\xff\xff\xff\xff',
  '\x8d\xff\xff\xff\xff\xff\xff\xff\xff',
  '\x8a\xff',
  '\x8b\xff\xff\xff\x7f',
  'J\xff\xff\xff\xff',
  'J\x00\x00\x00\x7f',
  'K\x00',
  '\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f',
  'cos\nsystem\n',
  'cbuiltins\neval\n',
  'ctorch._utils\n_rebuild_tensor_v2\n',
  'ctorch\nHalfStorage\n',
  'ccollections\nOrderedDict\n)R',
  '(e',
  '(N',
  ']q\x01h\x01a',
  '(NNe',
  '}(X\x01\x00\x00\x00aNu',
] as const;

/** Values that lengths, sizes, offsets and strides may take. */
const EXTREMES = [0, 1, -1, 0x7fffffff, -0x80000000, 0x10000, 65, 4096] as const;

export function mutatePickle(files: ReadonlyMap<string, Uint8Array>, next: Next): Uint8Array {
  const [[name, file]] = [...files] as [[string, Uint8Array]];
  let bytes: Buffer = Buffer.from(file);
  for (let changes = 1 + next(3); changes > 0; changes--) bytes = change(bytes, next);
  return writeZip(new Map([...files, [name, Uint8Array.from(bytes)]]), { deflate: next(4) === 0 });
}

function change(bytes: Buffer, next: Next): Buffer {
  const at = 2 + next(bytes.length - 2);
  const splice = (remove: number, insert: Uint8Array) =>
    Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
  const run = () => Buffer.from(pick(next, OPCODES), 'latin1');
  const kind = next(8);
  if (kind < 3) return splice(next(3), run());
  if (kind === 3) return splice(0, Buffer.concat(Array(1 + next(2000)).fill(run())));
  if (kind === 4) return splice(1 + next(40), Buffer.alloc(0));
  if (kind === 5) return splice(0, bytes.subarray(next(bytes.length)).subarray(0, next(400)));
  // Up to 8 MiB of the same: a bomb, mostly when deflated.
  if (kind === 6 && next(40) === 0) {
    const one = run();
    return splice(0, Buffer.alloc(one.length * Math.floor((8 * 2 ** 20) / one.length), one));
  }
  // An integer or the length of a text.
  const int = bytes.indexOf(pick(next, ['J', 'X']), at);
  if (int < 0 || int + 5 > bytes.length) return splice(1, run());
  const copy = Buffer.from(bytes);
  copy.writeInt32LE(pick(next, EXTREMES), int + 1);
  return copy;
}
