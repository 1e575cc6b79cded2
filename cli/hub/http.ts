/**
 * Answers of a server that may be wrong, slow or hostile: redirects that lead where they may, no token but to the server that it
 * is for, an end to silence, no more bytes than were asked for.
 */
import { UserError } from '../../engine/errors.js';

export interface GetOptions {
  /** Sent to the server of `home` alone. */
  readonly token?: string;
  /** The server that was asked for; redirects lead from it to others. */
  readonly home: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds without anything before it is given up. */
  readonly quiet: number;
  /** That is the time for the whole answer. */
  readonly whole?: boolean;
}

/** An answer that is none of success. */
export class StatusError extends Error {
  constructor(readonly statusCode: number) {
    super(`it answers ${statusCode}`);
  }
}

/** Nothing came for the time that was allowed. */
export class SilenceError extends Error {
  constructor(quiet: number) {
    super(`nothing came for ${quiet / 1000} s`);
  }
}

const MOST_REDIRECTS = 5;

/** An answer of success. Whoever does not read all of `chunks` closes it. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly chunks: AsyncIterable<Uint8Array>;
  close(): void;
}

/**
 * @throws StatusError, SilenceError, UserError for a redirect that is not followed, or what `fetch` throws; so do the chunks
 */
export async function get(address: string, options: GetOptions): Promise<Answer> {
  const { quiet } = options;
  const control = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => control.abort(new SilenceError(quiet)), quiet);
  };
  const close = () => {
    clearTimeout(timer);
    control.abort();
  };
  const told = (error: unknown) => {
    const { reason } = control.signal;
    close();
    return reason instanceof SilenceError ? reason : error;
  };
  async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body ?? []) {
        if (!options.whole) heard();
        yield chunk;
      }
    } catch (error) {
      throw told(error);
    } finally {
      close();
    }
  }
  heard();
  try {
    const response = await follow(address, options, control.signal);
    const { ok, status, headers } = response;
    if (!ok) throw new StatusError(status);
    return { status, headers, chunks: chunksOf(response), close };
  } catch (error) {
    throw told(error);
  }
}

async function follow(address: string, options: GetOptions, signal: AbortSignal): Promise<Response> {
  const { home, token, headers } = options;
  let url = new URL(address);
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(url, {
      headers: {
        // Ranges and lengths are those of the file itself.
        'accept-encoding': 'identity',
        ...headers,
        ...(token && url.origin === new URL(home).origin && { authorization: `Bearer ${token}` }),
      },
      redirect: 'manual',
      signal,
    });
    const to: string | null = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || to === null) return response;
    await response.body?.cancel();
    if (redirects === MOST_REDIRECTS)
      throw new UserError(
        `${home} sends from one address to the next, ${redirects} times`,
        'use another --endpoint',
      );
    url = allowed(to, url, home);
  }
}

/** Storage lies on other servers; but what began encrypted stays so, and nothing but the web is asked. */
function allowed(to: string, from: URL, home: string): URL {
  const mend = 'use another --endpoint, or check the proxy';
  if (!URL.canParse(to, from.href)) throw new UserError(`${home} redirects to what is no web address`, mend);
  const url = new URL(to, from);
  const safe = url.protocol === 'https:' || (url.protocol === 'http:' && from.protocol === 'http:');
  if (!safe || url.username || url.password)
    throw new UserError(`${home} redirects to ${url.protocol}//${url.host}, which is not followed`, mend);
  return url;
}

/**
 * The text of an answer.
 *
 * @throws RangeError beyond `limit` bytes
 */
export async function shortText({ chunks }: Answer, limit: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > limit) throw new RangeError(`more than ${limit} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}
