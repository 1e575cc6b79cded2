/** A model repository on the Hugging Face hub, or on a server that speaks its protocol. */
import * as v from 'valibot';
import { UserError } from '../../engine/errors.js';
import { type GetOptions, get, StatusError, shortText } from './http.js';

/** A file of a repository and what its content must hash to. */
export interface HubFile {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** SHA-256 of large files (Git LFS); Git's SHA-1 of a blob for the others. */
  readonly hash: { readonly kind: 'sha256' | 'git'; readonly hex: string };
}

export interface HubOptions {
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Address of the server; the default is the public hub. */
  readonly endpoint?: string;
  /** For private and gated models. */
  readonly token?: string;
  /** Milliseconds without anything from the server before it is given up (default 60 s). */
  readonly quiet?: number;
}

/** The content of a file from byte `from` on, which is 0 where the server cannot begin elsewhere. */
export interface Content {
  readonly from: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

const HUB = 'https://huggingface.co';
const QUIET = 60_000;

/** Far above what the repository of a model lists. */
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

/** A repository that answers with its files and their content. */
export class HubRepository {
  private readonly home: string;

  /** @throws UserError for a name or an endpoint that cannot be one */
  constructor(
    readonly name: string,
    private readonly options: HubOptions,
  ) {
    if (!/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(name))
      throw new UserError(
        `"${name}" is no name of a model repository`,
        'give OWNER/NAME, such as openai/clip-vit-base-patch16',
      );
    const { endpoint = HUB, token } = options;
    if (!isWebAddress(endpoint))
      throw new UserError(
        `the endpoint "${endpoint}" is no web address`,
        'give one with http:// or https://, without a name and password',
      );
    if (token !== undefined && !/^hf_[\x21-\x7e]*$/.test(token))
      throw new UserError('the token in HF_TOKEN is no access token', 'set one that starts with hf_');
    this.home = endpoint.replace(/\/+$/, '');
  }

  /** The files of the top folder. */
  async files(): Promise<HubFile[]> {
    const found: HubFile[] = [];
    let [entries, left] = [0, MOST_LIST_BYTES];
    let address: string | undefined =
      `${this.home}/api/models/${this.name}/tree/${this.revision}?recursive=false&expand=false`;
    for (let page = 0; address !== undefined; page++) {
      if (page === MOST_PAGES || entries > MOST_ENTRIES) throw this.wrongList('has no end');
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
        throw error instanceof RangeError ? this.wrongList('is longer than any') : error;
      });
      const next = /<([^<>]+)>;\s*rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
      if (next !== undefined && !(URL.canParse(next) && new URL(next).origin === new URL(this.home).origin))
        throw this.wrongList('goes on at another server');
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
      `what ${this.home} gives as the list of files of ${this.name} ${what}`,
      'check the name and --endpoint',
    );
  }

  /** The content of a file from byte `start` on. Errors of the connection come out as they are. */
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
          `${this.home} sends a web page in the place of ${name}`,
          'check --endpoint, and whether a proxy or a network wants you to log in',
        );
      const from = status === 206 ? this.rangeStart(headers, name, size) : 0;
      if (status === 206 ? from !== start : status !== 200)
        throw new Error(`it answers ${status} with another part of ${name} than was asked for`);
      const length = headers.get('content-length');
      if (length !== null && !headers.has('content-encoding') && Number(length) !== size - from)
        throw new UserError(
          `the server has ${length} bytes of ${name} where its list says ${size - from}`,
          'run the command again, or use another --endpoint',
        );
      return { from, chunks };
    } catch (error) {
      answer.close();
      throw error;
    }
  }

  /** Where the part that was sent begins; it must be one of a file of the listed size. */
  private rangeStart(headers: Headers, name: string, size: number): number {
    const given = headers.get('content-range') ?? '';
    const [, from, , total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(given) ?? [];
    if (total !== undefined && total !== '*' && Number(total) !== size)
      throw new UserError(
        `${name} has changed on the server: ${total} bytes where the list says ${size}`,
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

  /** An answer of the server as a message; a failed connection stays what it is, so that it can be tried again. */
  private explain(error: unknown): unknown {
    if (!(error instanceof StatusError)) return error;
    const { statusCode: status } = error;
    const { name } = this;
    const server = this.options.endpoint ?? 'the Hugging Face hub';
    if (status === 401 || status === 403)
      return new UserError(
        `${server} refuses ${name} (${status}): it does not exist, or is private or gated`,
        'check the name; for private and gated models set HF_TOKEN to an access token that may read it',
      );
    if (status === 404)
      return new UserError(
        `${server} has no model ${name} with the revision ${this.options.revision}`,
        'check the name and --revision',
      );
    // A range that there is not comes to the same as a file that has changed: it is tried from the beginning.
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

/** What a lasting failure of the connection tells the user. */
export function unreachable(what: string, { endpoint }: HubOptions, error: unknown): UserError {
  return new UserError(
    `${what} cannot be read from ${endpoint ?? 'the Hugging Face hub'}: ${causeOf(error)}`,
    'check the network and --endpoint, and run the same command again: it continues where it stopped',
  );
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  // Node's fetch says only "fetch failed"; an aggregate of several addresses has a code but no message.
  if (cause instanceof Error) return cause.message || (cause as NodeJS.ErrnoException).code || error.message;
  return error.message;
}
