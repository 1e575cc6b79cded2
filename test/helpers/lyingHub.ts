/**
 * A model hub that lies, drawn by a seed: about lengths, names, hashes and places, without end, in silence or in circles. For
 * `pull`, which must end with the true files or with a UserError.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Random } from '../../models/random.js';
import { CONTENT_LIES } from './hubContentLies.js';
import { LIST_LIES } from './hubListLies.js';
import { type Entry, type Lie, type Scene, send } from './hubScene.js';

/** Every lie by its name. */
export const LIES: Readonly<Record<string, Lie>> = { ...LIST_LIES, ...CONTENT_LIES };

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
