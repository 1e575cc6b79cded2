/**
 * HTTP requests to a server that may be wrong, slow or hostile: only safe redirects are followed, the token goes to its own server
 * alone, silence has a time limit, and so have sizes.
 */
import { UserError } from '../../engine/errors.js';

/** How to send a request. */
export interface GetOptions {
  /** Access token, sent only to the server of `home`. */
  readonly token?: string;
  /** Address of the server that the user chose; it may redirect to others. */
  readonly home: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds of silence after which the request is given up. */
  readonly quiet: number;
  /** Whether `quiet` limits the whole answer instead. */
  readonly whole?: boolean;
}

/** The server answered with an error status. */
export class StatusError extends Error {
  constructor(readonly statusCode: number) {
    super(`the server answers ${statusCode}`);
  }
}

/** The server was silent for too long. */
export class SilenceError extends Error {
  constructor(quiet: number) {
    super(`the server was silent for ${quiet / 1000} s`);
  }
}

const MOST_REDIRECTS = 5;

/** A successful answer. Callers that do not read all of `chunks` must close it. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly chunks: AsyncIterable<Uint8Array>;
  close(): void;
}

/**
 * Sends a GET request. Reading the chunks throws the same errors.
 *
 * @throws StatusError, SilenceError, UserError for a redirect that is not followed, or an error of `fetch`
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
        // Without compression, ranges and lengths refer to the file itself.
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
      throw new UserError(`${home} redirects more than ${redirects} times`, 'give another --endpoint URL');
    url = allowed(to, url, home);
  }
}

/** The Hub redirects to storage servers. HTTPS must stay HTTPS, and only web addresses are followed. */
function allowed(to: string, from: URL, home: string): URL {
  const hint = 'give another --endpoint URL, or check the proxy';
  if (!URL.canParse(to, from.href))
    throw new UserError(`${home} redirects to something that is not a web address`, hint);
  const url = new URL(to, from);
  const safe = url.protocol === 'https:' || (url.protocol === 'http:' && from.protocol === 'http:');
  if (!safe || url.username || url.password)
    throw new UserError(`${home} redirects to ${url.protocol}//${url.host}, which is not allowed`, hint);
  return url;
}

/**
 * The body of an answer as text.
 *
 * @throws RangeError if it is longer than `limit` bytes
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
