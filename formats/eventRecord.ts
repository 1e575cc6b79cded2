/**
 * Records of TensorBoard's event files: TFRecords that hold an `Event` message each. Field numbers are those of
 * tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
 */
import protobuf from 'protobufjs/light.js';
import { crcTable } from './crc32.js';

const { Root, Type, Field } = protobuf;

const MESSAGE = new Root()
  .add(
    new Type('Event')
      .add(new Field('wallTime', 1, 'double'))
      .add(new Field('step', 2, 'int64'))
      .add(new Field('fileVersion', 3, 'string'))
      .add(new Field('summary', 5, 'Summary'))
      .add(new Field('sessionLog', 7, 'SessionLog')),
  )
  .add(new Type('Summary').add(new Field('value', 1, 'Value', 'repeated')))
  .add(new Type('Value').add(new Field('tag', 1, 'string')).add(new Field('simpleValue', 2, 'float')))
  .add(new Type('SessionLog').add(new Field('status', 1, 'int32')))
  .lookupType('Event');

/** An event: a version, scalars at a step, or the start of a session. */
export interface EventMessage {
  readonly wallTime: number;
  readonly step?: number;
  readonly fileVersion?: string;
  readonly summary?: { readonly value: readonly { readonly tag: string; readonly simpleValue: number }[] };
  readonly sessionLog?: { readonly status: number };
}

/** An event as a TFRecord: length, its checksum, the data, their checksum; all little-endian. */
export function eventRecord(event: EventMessage): Uint8Array<ArrayBuffer> {
  const data = MESSAGE.encode(MESSAGE.fromObject(event)).finish();
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return bytes;
}

/** CRC-32C (Castagnoli). */
const TABLE = crcTable(0x82f63b78);

/** TensorFlow's masked CRC-32C: rotated by 15 bits plus a constant, as a checksum of data that hold checksums is weak. */
function maskedCrc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
