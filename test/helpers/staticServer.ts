/** Servers for tests of pages: one for files, and one that notes every request for another host. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** A server that is closed when the test file ends, and how it is reached. */
export interface RunningServer {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  close(): Promise<void>;
}

/**
 * Serves the files of `folder` below the path `prefix`, and nothing else.
 *
 * @param change makes something else of a file on its way
 */
export async function serveFolder(
  folder: string,
  prefix: string,
  change: (name: string, content: Uint8Array) => Uint8Array = (_, content) => content,
): Promise<RunningServer> {
  return listen(
    createServer(async (request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? '', 'http://localhost').pathname);
      const name = normalize(path.endsWith('/') ? `${path}index.html` : path).slice(prefix.length);
      try {
        if (!path.startsWith(prefix) || name.includes('..')) throw new Error('not found');
        const content = change(name, await readFile(join(folder, name)));
        const type = TYPES[extname(name)] ?? 'application/octet-stream';
        response.writeHead(200, { 'content-type': type, 'content-length': content.length }).end(content);
      } catch {
        response.writeHead(404).end();
      }
    }),
  );
}

/** A proxy that gives nobody anything, and the hosts that it was asked for. */
export async function refusingProxy(): Promise<RunningServer & { readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(403).end();
  });
  server.on('connect', ({ url }, socket) => {
    asked.push(url ?? '');
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  return { ...(await listen(server)), asked };
}

async function listen(server: Server): Promise<RunningServer> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
