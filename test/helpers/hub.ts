/** A server on this machine that answers as the Hugging Face hub does, and can fail in its ways. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Files from this size on are kept in Git LFS: a SHA-256 in the list, a redirect to other storage. */
const LFS_FROM = 100_000;
const TOKEN = 'hf_sesame';

export interface HubFaults {
  /** Answers every request with this status. */
  status?: number;
  /** Wants `TOKEN`. */
  gated?: boolean;
  /** Closes the connection after so many bytes of a file's content, so many times. */
  cut?: { after: number; times: number };
  /** Sends this instead of a large file's content. */
  replace?: Buffer;
  /** Ignores ranges but for the library's question after the size. */
  noRanges?: boolean;
  /** Lists two files a page. */
  pages?: boolean;
}

export interface FakeHub {
  readonly endpoint: string;
  readonly token: string;
  readonly faults: HubFaults;
  /** `METHOD path range` of every request since the last `reset`. */
  readonly requests: string[];
  /** Authorization headers that reached the other storage. */
  readonly leaked: string[];
  reset(faults?: HubFaults): void;
  close(): void;
}

/** Serves the repository `owner/name` with these files on its branch `main`. */
export async function startHub(files: Readonly<Record<string, Buffer>>): Promise<FakeHub> {
  const requests: string[] = [];
  const leaked: string[] = [];
  let faults: HubFaults = {};
  let storage = '';

  const api = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url!, 'http://hub');
    requests.push(`${request.method} ${url.pathname} ${request.headers.range ?? ''}`.trim());
    const file = /^\/owner\/name\/resolve\/main\/(.+)$/.exec(url.pathname)?.[1];
    const content = files[file ?? ''];
    if (faults.status) refuse(response, faults.status);
    else if (faults.gated && request.headers.authorization !== `Bearer ${TOKEN}`) refuse(response, 401);
    else if (url.pathname === '/api/models/owner/name/tree/main') list(url, response);
    else if (!content) refuse(response, 404);
    else if (content.length < LFS_FROM) send(request, response, content);
    else {
      response.writeHead(302, { location: `${storage}/${file}`, 'x-linked-etag': `"${sha256(content)}"` });
      response.end();
    }
  };

  const list = (url: URL, response: ServerResponse): void => {
    const all = [
      { type: 'directory', path: 'onnx', size: 0, oid: 'x' },
      ...Object.entries(files).map(describe),
    ];
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const to = faults.pages ? from + 2 : all.length;
    if (to < all.length)
      response.setHeader('link', `<${endpointOf(main)}${url.pathname}?cursor=${to}>; rel="next"`);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(all.slice(from, to)));
  };

  const send = (request: IncomingMessage, response: ServerResponse, content: Buffer): void => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const probe = request.headers.range === 'bytes=0-0';
    const honoured = range && (probe || !faults.noRanges);
    const [from, to] = honoured ? [Number(range[1]), Number(range[2]) + 1] : [0, content.length];
    const body = content.subarray(from, to);
    response.setHeader('etag', `"${gitHash(content)}"`);
    response.setHeader('content-length', body.length);
    if (honoured) response.setHeader('content-range', `bytes ${from}-${to - 1}/${content.length}`);
    response.writeHead(honoured ? 206 : 200);
    const { cut } = faults;
    if (!probe && cut && cut.times > 0 && body.length > cut.after) {
      cut.times--;
      response.write(body.subarray(0, cut.after), () => setTimeout(() => response.destroy(), 30));
    } else response.end(body);
  };

  const main = await listen(createServer(api));
  const other = await listen(
    createServer((request, response) => {
      if (request.headers.authorization) leaked.push(request.headers.authorization);
      const content = files[request.url!.slice(1)];
      send(request, response, faults.replace ?? content!);
    }),
  );
  storage = endpointOf(other);
  return {
    endpoint: endpointOf(main),
    token: TOKEN,
    requests,
    leaked,
    get faults() {
      return faults;
    },
    reset: (next = {}) => {
      faults = next;
      requests.length = 0;
      leaked.length = 0;
    },
    close: () => {
      for (const server of [main, other]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

function describe([path, content]: [string, Buffer]) {
  const size = content.length;
  return size < LFS_FROM
    ? { type: 'file', path, size, oid: gitHash(content) }
    : {
        type: 'file',
        path,
        size,
        oid: 'a'.repeat(40),
        lfs: { oid: sha256(content), size, pointerSize: 134 },
      };
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: `refused with ${status}` }));
}

function listen(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const endpointOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const gitHash = (content: Buffer) =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
