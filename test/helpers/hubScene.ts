/** What the lies of a model hub (lyingHub.ts) are made of. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Random } from '../../models/random.js';

/** A file in a list. */
export type Entry = Record<string, unknown>;
/** What a lie may use. */
export interface Scene {
  readonly random: Random;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of this server, and of another one. */
  readonly home: string;
  readonly elsewhere: string;
}
/** The same, where weights are asked for. */
export interface ContentScene extends Scene {
  readonly name: string;
  readonly content: Buffer;
  /** First byte that was asked for. */
  readonly from: number;
}
export interface Lie {
  /** False where a careful client may get the true files all the same. */
  readonly refused: boolean;
  /** Changes the list, or answers by itself and returns undefined. */
  readonly list?: (entries: Entry[], scene: Scene) => Entry[] | undefined;
  /** Answers a request for the weights. */
  readonly content?: (scene: ContentScene) => void;
}

export const pick = <T>(random: Random, values: readonly T[]): T => values[random.below(values.length)]!;
export const noise = (random: Random, bytes: number) =>
  Buffer.from(Array.from({ length: bytes }, () => random.below(256)));
export const hex = (random: Random, digits: number) => noise(random, digits).toString('hex').slice(0, digits);

export function redirect({ response }: Scene, location: string): void {
  response.writeHead(302, { location });
  response.end();
}
export const BAD_PLACES = [
  'file:///etc/passwd',
  'ftp://127.0.0.1/x',
  'data:text/plain,x',
  'http://',
  'http://a:b@127.0.0.1:9/',
  'javascript:1',
];

/** Sends pieces until the other side hangs up. */
export function endless(response: ServerResponse, piece: Buffer): void {
  const more = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
}

/** @param broken says the length of the whole, and closes the connection behind less */
export function send({ response, content, from }: ContentScene, body: Buffer, broken = false): void {
  const part = body.subarray(from);
  if (from > 0) response.setHeader('content-range', `bytes ${from}-${body.length - 1}/${content.length}`);
  response.setHeader('content-length', broken ? content.length - from : part.length);
  response.writeHead(from > 0 ? 206 : 200);
  if (broken) response.write(part, () => response.socket?.destroy());
  else response.end(part);
}
