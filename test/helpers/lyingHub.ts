/**
 * A model hub that lies, drawn by a seed: about lengths, names, hashes and places, without end, in silence or in circles. For
 * `pull`, which must end with the true files or with a UserError.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Random } from '../../models/random.js';

type Entry = Record<string, unknown>;
/** What a lie may use. */
interface Scene {
  readonly random: Random;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of this server, and of another one. */
  readonly home: string;
  readonly elsewhere: string;
}
interface ContentScene extends Scene {
  readonly name: string;
  readonly content: Buffer;
  /** First byte that was asked for. */
  readonly from: number;
}
interface Lie {
  /** False where a careful client may get the true files all the same. */
  readonly refused: boolean;
  /** Changes the list, or answers by itself and returns undefined. */
  readonly list?: (entries: Entry[], scene: Scene) => Entry[] | undefined;
  /** Answers a request for the weights. */
  readonly content?: (scene: ContentScene) => void;
}

const pick = <T>(random: Random, values: readonly T[]): T => values[random.below(values.length)]!;
const noise = (random: Random, bytes: number) =>
  Buffer.from(Array.from({ length: bytes }, () => random.below(256)));
const hex = (random: Random, digits: number) => noise(random, digits).toString('hex').slice(0, digits);

function redirect({ response }: Scene, location: string): void {
  response.writeHead(302, { location });
  response.end();
}
const BAD_PLACES = [
  'file:///etc/passwd',
  'ftp://127.0.0.1/x',
  'data:text/plain,x',
  'http://',
  'http://a:b@127.0.0.1:9/',
  'javascript:1',
];

/** Sends pieces until the other side hangs up. */
function endless(response: ServerResponse, piece: Buffer): void {
  const more = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
}
const weights =
  (change: (entry: Entry, random: Random) => Entry): Lie['list'] =>
  (entries, { random }) =>
    entries.map((entry) => (String(entry.path).startsWith('model') ? change(entry, random) : entry));

const ODD_NAMES = [
  '../model.safetensors',
  '../../outside.txt',
  '/tmp/outside.txt',
  'C:\\outside.txt',
  '..\\outside.txt',
  'model.safetensors/../../outside.txt',
  'model-00001-of-00002.safetensors/../../x',
  'model.safetensors\0.txt',
  '.',
  '..',
  '',
  'con',
  'a'.repeat(5000),
  '__proto__',
  'toString',
  '\x1b[2J',
  'model.safetensors ',
];

export const LIES: Readonly<Record<string, Lie>> = {
  'a list in a circle': {
    refused: true,
    list: (entries, { response, request, home }) => {
      response.setHeader('link', `<${home}${request.url}>; rel="next"`);
      return entries;
    },
  },
  'a list that goes on elsewhere': {
    refused: true,
    list: (entries, { response, random, elsewhere }) => {
      response.setHeader(
        'link',
        `<${pick(random, [`${elsewhere}/list`, 'file:///etc/passwd', 'http://'])}>; rel="next"`,
      );
      return entries;
    },
  },
  'a million entries': {
    refused: true,
    list: (entries, { response }) => {
      response.write(JSON.stringify(entries).slice(0, -1));
      endless(
        response,
        Buffer.from(
          ',{"type":"file","path":"model-00001-of-00001.safetensors","size":1,"oid":"0"}'.repeat(500),
        ),
      );
      return undefined;
    },
  },
  'an endless page': {
    refused: true,
    list: (_, { response, random }) => void endless(response, noise(random, 9999)),
  },
  'a deep list': { refused: true, list: (_, { response }) => void response.end('['.repeat(3e6)) },
  'no JSON': {
    refused: true,
    list: (_, { response, random }) =>
      void response.end(pick(random, ['', '<html>', '{}', 'null', '[null]', '[[]]', '1e999'])),
  },
  'odd fields': {
    refused: true,
    list: weights((entry, random) => ({
      ...entry,
      [pick(random, ['path', 'size', 'lfs', 'type'])]: pick<unknown>(random, [
        null,
        -1,
        0.5,
        1e300,
        [],
        {},
        true,
      ]),
    })),
  },
  'odd names': {
    refused: false,
    list: (entries, { random }) => [
      ...ODD_NAMES.map((path) => ({
        ...entries[0],
        path: random.below(2) ? path : `${path}/model.safetensors`,
      })),
      ...entries,
    ],
  },
  'odd names alone': {
    refused: true,
    list: (_, { random }) => [{ type: 'file', path: pick(random, ODD_NAMES), size: 3, oid: hex(random, 40) }],
  },
  'entries twice': {
    refused: false,
    list: (entries, { random }) => [
      ...entries,
      ...entries.map((entry) => ({ ...entry, oid: hex(random, 40) })),
    ],
  },
  'sizes beyond any disk': {
    refused: true,
    list: weights((entry) => ({ ...entry, size: 2 ** 52, lfs: { ...(entry.lfs as object), size: 2 ** 52 } })),
  },
  'a config beyond any': {
    refused: true,
    list: (entries) =>
      entries.map((entry) => (entry.path === 'config.json' ? { ...entry, size: 1e9 } : entry)),
  },
  'a wrong size': {
    refused: true,
    list: weights((entry, random) => {
      const size = Math.max(0, (entry.size as number) + pick(random, [-1, 1, -1000, 1000, 123_456]));
      return { ...entry, size, lfs: { ...(entry.lfs as object), size } };
    }),
  },
  'a wrong hash': {
    refused: true,
    list: weights((entry, random) => ({
      ...entry,
      lfs: {
        ...(entry.lfs as object),
        oid: pick(random, [hex(random, 64), hex(random, 40), '', '../../x', `${'0'.repeat(63)}\n`]),
      },
    })),
  },
  'a silent list': { refused: true, list: () => undefined },
  'a list byte by byte': {
    refused: true,
    list: (_, { response }) => {
      const timer = setInterval(() => response.write('['), 30);
      response.on('close', () => clearInterval(timer));
      return undefined;
    },
  },
  'a list moved to a bad place': {
    refused: true,
    list: (_, scene) => void redirect(scene, pick(scene.random, BAD_PLACES)),
  },
  'a list in circles': { refused: true, list: (_, scene) => void redirect(scene, scene.request.url!) },
  'a status': {
    refused: true,
    list: (_, { response, random }) => {
      response.writeHead(pick(random, [204, 300, 304, 400, 401, 403, 404, 410, 418, 429, 451, 500, 503]));
      response.end();
      return undefined;
    },
  },
  'another content': { refused: true, content: (scene) => send(scene, flipped(scene)) },
  'less than it says': {
    refused: true,
    content: (scene) =>
      send(scene, scene.content.subarray(0, scene.random.below(scene.content.length)), true),
  },
  less: {
    refused: true,
    content: (scene) => send(scene, scene.content.subarray(0, scene.random.below(scene.content.length))),
  },
  more: {
    refused: true,
    content: (scene) =>
      send(scene, Buffer.concat([scene.content, noise(scene.random, 1 + scene.random.below(5000))])),
  },
  'without end': {
    refused: true,
    content: ({ response, content }) => {
      response.write(content);
      endless(response, content);
    },
  },
  'a web page': {
    refused: true,
    content: ({ response, content }) => {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(`<html>log in${' '.repeat(content.length)}`.slice(0, content.length));
    },
  },
  gzip: {
    refused: false,
    content: ({ response, content }) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(content));
    },
  },
  'a gzip bomb': {
    refused: true,
    content: ({ response }) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(Buffer.alloc(64 * 2 ** 20)));
    },
  },
  'broken gzip': {
    refused: true,
    content: ({ response, random }) => {
      response.setHeader('content-encoding', pick(random, ['gzip', 'br', 'deflate']));
      response.end(noise(random, 5000));
    },
  },
  'ranges ignored': { refused: false, content: (scene) => send({ ...scene, from: 0 }, scene.content) },
  'another part': {
    refused: true,
    content: ({ response, content, random }) => {
      const range = pick(random, [
        'bytes 5-9/10',
        `bytes 1-${content.length}/${content.length}`,
        'bytes */*',
        'x',
        `bytes 0-1/${content.length + 1}`,
      ]);
      response.writeHead(206, { 'content-range': range });
      response.end(content);
    },
  },
  'no such part': { refused: true, content: ({ response }) => void response.writeHead(416).end() },
  silence: { refused: true, content: () => undefined },
  'silence in the middle': {
    refused: true,
    content: ({ response, content, random }) => {
      response.setHeader('content-length', content.length);
      response.write(content.subarray(0, random.below(1000)));
    },
  },
  'a broken connection': { refused: true, content: ({ response }) => void response.socket?.destroy() },
  'no HTTP': {
    refused: true,
    content: ({ response, random }) => void response.socket?.end(noise(random, 300)),
  },
  'broken off behind each byte': {
    refused: true,
    content: ({ response, content, from }) => {
      response.writeHead(
        from > 0 ? 206 : 200,
        from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {},
      );
      response.write(content.subarray(from, from + 1), () => response.socket?.destroy());
    },
  },
  'moved to a bad place': {
    refused: true,
    content: (scene) => redirect(scene, pick(scene.random, BAD_PLACES)),
  },
  'moved in circles': {
    refused: true,
    content: (scene) =>
      redirect(scene, pick(scene.random, [scene.request.url!, `${scene.elsewhere}/circle`])),
  },
  'moved to another server': {
    refused: false,
    content: (scene) => redirect(scene, `${scene.elsewhere}/true`),
  },
  'moved to a server that is not there': {
    refused: true,
    content: (scene) => redirect(scene, 'http://127.0.0.1:9/x'),
  },
};

export interface LyingHub {
  readonly endpoint: string;
  readonly token: string;
  /** Authorization headers that reached the other server. */
  readonly leaked: readonly string[];
  /** Tells the lie of a seed from now on. */
  tell(seed: number): { readonly name: string; readonly refused: boolean };
  close(): void;
}

/** Serves the repository `owner/name` with the weights `model.safetensors` and other files, and lies about them. */
export async function startLyingHub(files: Readonly<Record<string, Buffer>>): Promise<LyingHub> {
  const names = Object.keys(LIES);
  const leaked: string[] = [];
  let lie: Lie = LIES[names[0]!]!;
  let random = Random.of(0, 'lies');
  const content = files['model.safetensors']!;

  const main: Server = await listen((request, response) => {
    const scene: Scene = { random, request, response, home: endpointOf(main), elsewhere: endpointOf(other) };
    const { pathname } = new URL(request.url!, 'http://hub');
    if (pathname.startsWith('/api/')) {
      const entries = Object.entries(files).map(describe);
      response.setHeader('content-type', 'application/json');
      const list = lie.list ? lie.list(entries, scene) : entries;
      if (list) response.end(JSON.stringify(list));
      return;
    }
    const name = decodeURIComponent(pathname.split('/').at(-1)!);
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const asked = { ...scene, name, from, content: files[name] ?? Buffer.alloc(0) };
    if (!(name in files)) response.writeHead(404).end();
    else if (lie.content && name === 'model.safetensors') lie.content(asked);
    else send(asked, files[name]!);
  });
  const other: Server = await listen((request, response) => {
    if (request.headers.authorization) leaked.push(request.headers.authorization);
    if (request.url === '/circle') response.writeHead(302, { location: '/circle' }).end();
    else response.end(content);
  });

  return {
    endpoint: endpointOf(main),
    token: 'hf_secret',
    leaked,
    tell(seed) {
      const name = names[seed % names.length]!;
      lie = LIES[name]!;
      random = Random.of(seed, 'lies');
      return { name, refused: lie.refused };
    },
    close() {
      for (const server of [main, other]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

/** @param broken says the length of the whole, and closes the connection behind less */
function send({ response, content, from }: ContentScene, body: Buffer, broken = false): void {
  const part = body.subarray(from);
  if (from > 0) response.setHeader('content-range', `bytes ${from}-${body.length - 1}/${content.length}`);
  response.setHeader('content-length', broken ? content.length - from : part.length);
  response.writeHead(from > 0 ? 206 : 200);
  if (broken) response.write(part, () => response.socket?.destroy());
  else response.end(part);
}

/** One bit is another, in what was asked for. */
function flipped({ content, random, from }: ContentScene): Buffer {
  const other = Buffer.from(content);
  const at = from + random.below(other.length - from);
  other[at] = other[at]! ^ (1 << random.below(8));
  return other;
}

function describe([path, content]: [string, Buffer]): Entry {
  const sha = createHash('sha256').update(content).digest('hex');
  const git = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  const size = content.length;
  return { type: 'file', path, size, oid: git, ...(path.startsWith('model') && { lfs: { oid: sha, size } }) };
}

async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const endpointOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
