/** A model repository on the Hugging Face Hub, or on a server with the same protocol. */
import * as v from 'valibot';
import { UserError } from '../../engine/errors.js';
import { type GetOptions, get, StatusError, shortText } from './http.js';

/** A file of a repository, with the hash of its content. */
export interface HubFile {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** SHA-256 of large files (Git LFS); Git's SHA-1 of a blob for the others. */
  readonly hash: { readonly kind: 'sha256' | 'git'; readonly hex: string };
}

/** Which revision to read, from which server, and how. */
export interface HubOptions {
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Address of the server (default: the public Hub). */
  readonly endpoint?: string;
  /** Access token for private and gated models. */
  readonly token?: string;
  /** Milliseconds of silence after which the server is given up (default: 60 s). */
  readonly quiet?: number;
}

/** The content of a file from byte `from` on, which is 0 if the server does not support ranges. */
export interface Content {
  readonly from: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

const HUB = 'https://huggingface.co';
const QUIET = 60_000;

/** Limits far above the file list of any model repository. */
const MOST_PAGES = 50;
const MOST_ENTRIES = 20_000;
const MOST_LIST_BYTES = 8 * 2 ** 20;

const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const LIST = v.array(
  v.object({
    type: v.string(),
    path: v.string(),
    size: v.optional(bytes),
    oid: v.optional(v.string()),
    lfs: v.optional(v.object({ oid: v.string(), size: bytes })),
  }),
);

/** Lists the files of a repository and opens them. */
export class HubRepository {
  private readonly home: string;

  /** @throws UserError for an invalid name, endpoint or token */
  constructor(
    readonly name: string,
    private readonly options: HubOptions,
  ) {
    if (!/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(name))
      throw new UserError(
        `"${name}" is not the name of a model repository`,
        'give OWNER/NAME, such as openai/clip-vit-base-patch16',
      );
    const { endpoint = HUB, token } = options;
    if (!isWebAddress(endpoint))
      throw new UserError(
        `the endpoint "${endpoint}" is not a web address`,
        'give --endpoint URL with http:// or https://, without user name and password',
      );
    if (token !== undefined && !/^hf_[\x21-\x7e]*$/.test(token))
      throw new UserError(
        'HF_TOKEN does not hold an access token',
        'set HF_TOKEN to a token that starts with hf_',
      );
    this.home = endpoint.replace(/\/+$/, '');
  }

  /** The files of the top folder, without those in subfolders. */
  async files(): Promise<HubFile[]> {
    const found: HubFile[] = [];
    let [entries, left] = [0, MOST_LIST_BYTES];
    let address: string | undefined =
      `${this.home}/api/models/${this.name}/tree/${this.revision}?recursive=false&expand=false`;
    for (let page = 0; address !== undefined; page++) {
      if (page === MOST_PAGES || entries > MOST_ENTRIES) throw this.wrongList('does not end');
      const { text, next } = await this.page(address, left);
      left -= text.length;
      const list = this.parse(text);
      entries += list.length;
      for (const { type, path, size, oid, lfs } of list)
        if (type === 'file')
          found.push({
            name: path,
            size: lfs?.size ?? size ?? 0,
            hash: lfs ? { kind: 'sha256', hex: lfs.oid } : { kind: 'git', hex: oid ?? '' },
          });
      address = next;
    }
    return found;
  }

  private async page(address: string, limit: number) {
    try {
      const answer = await get(address, { ...this.request({ accept: 'application/json' }), whole: true });
      const text = await shortText(answer, limit).catch((error) => {
        throw error instanceof RangeError ? this.wrongList('is too long') : error;
      });
      const next = /<([^<>]+)>;\s*rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
      if (next !== undefined && !(URL.canParse(next) && new URL(next).origin === new URL(this.home).origin))
        throw this.wrongList('continues on another server');
      return { text, next };
    } catch (error) {
      throw this.explain(error);
    }
  }

  private parse(text: string): v.InferOutput<typeof LIST> {
    try {
      return v.parse(LIST, JSON.parse(text));
    } catch {
      throw this.wrongList('cannot be read');
    }
  }

  private wrongList(what: string): UserError {
    return new UserError(
      `the file list of ${this.name} from ${this.home} ${what}`,
      'check the name and --endpoint',
    );
  }

  /**
   * Opens a file from byte `start` on. Connection errors are passed on unchanged, so that callers can retry.
   *
   * @throws UserError when a web page or another length comes in place of the file, Error when another part of it comes
   */
  async open({ name, size }: HubFile, start: number): Promise<Content> {
    const address = `${this.home}/${this.name}/resolve/${this.revision}/${encodeURIComponent(name)}`;
    const range: Record<string, string> = start > 0 ? { range: `bytes=${start}-${size - 1}` } : {};
    const answer = await get(address, this.request(range)).catch((error) => {
      throw this.explain(error);
    });
    const { status, headers, chunks } = answer;
    try {
      if (/^text\/html\b/i.test(headers.get('content-type') ?? ''))
        throw new UserError(
          `${this.home} sends a web page instead of ${name}`,
          'check --endpoint, and whether a proxy or the network requires a login',
        );
      const from = status === 206 ? this.rangeStart(headers, name, size) : 0;
      if (status === 206 ? from !== start : status !== 200)
        throw new Error(`the server answers ${status} with a different part of ${name} than requested`);
      const length = headers.get('content-length');
      if (length !== null && !headers.has('content-encoding') && Number(length) !== size - from)
        throw new UserError(
          `the server sends ${length} bytes of ${name}, but its list says ${size - from}`,
          'run the command again, or use another --endpoint',
        );
      return { from, chunks };
    } catch (error) {
      answer.close();
      throw error;
    }
  }

  /** The first byte of the part that the server sends; the whole file must have the listed size. */
  private rangeStart(headers: Headers, name: string, size: number): number {
    const given = headers.get('content-range') ?? '';
    const [, from, , total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(given) ?? [];
    if (total !== undefined && total !== '*' && Number(total) !== size)
      throw new UserError(
        `${name} has changed on the server: it has ${total} bytes, but the list says ${size}`,
        'run the command again',
      );
    return Number(from);
  }

  private get revision(): string {
    return encodeURIComponent(this.options.revision);
  }

  private request(headers: Record<string, string>): GetOptions {
    const { token, quiet = QUIET } = this.options;
    return { home: this.home, quiet, headers, ...(token && { token }) };
  }

  /** Turns an error status into a message. Connection errors are passed on unchanged, so that callers can retry. */
  private explain(error: unknown): unknown {
    if (!(error instanceof StatusError)) return error;
    const { statusCode: status } = error;
    const { name } = this;
    const server = this.options.endpoint ?? 'the Hugging Face Hub';
    if (status === 401 || status === 403)
      return new UserError(
        `${server} denies access to ${name} (${status}): it does not exist, or is private or gated`,
        'check the name; for private and gated models set HF_TOKEN to an access token',
      );
    if (status === 404)
      return new UserError(
        `${server} has no model ${name} with revision ${this.options.revision}`,
        'check the name and --revision',
      );
    // An invalid range (416) means that the file has changed: the download starts over.
    if (status < 500 && status !== 429 && status !== 416)
      return new UserError(`${server} answers ${status} for ${name}`, 'check the name and --endpoint');
    return error;
  }
}

function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && !username && !password;
}

/** The error for a connection that keeps failing. */
export function unreachable(what: string, { endpoint }: HubOptions, error: unknown): UserError {
  return new UserError(
    `${what} cannot be read from ${endpoint ?? 'the Hugging Face Hub'}: ${causeOf(error)}`,
    'check the network and --endpoint, and run the same command again to continue',
  );
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  // Node's fetch only says "fetch failed"; an aggregate of several addresses has a code but no message.
  if (cause instanceof Error) return cause.message || (cause as NodeJS.ErrnoException).code || error.message;
  return error.message;
}
