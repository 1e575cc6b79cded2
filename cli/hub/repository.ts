/** A model repository on the Hugging Face hub, or on a server that speaks its protocol. */
import { UserError } from '../../engine/errors.js';

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
  /** Address of the server; the library's default is the public hub. */
  readonly endpoint?: string;
  /** For private and gated models. */
  readonly token?: string;
}

/** A repository that answers with its files and their content. */
export class HubRepository {
  private readonly where: { repo: string; revision: string; hubUrl?: string; accessToken?: string };

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
    const { endpoint, token, revision } = options;
    if (endpoint !== undefined && !/^https?:\/\/./.test(endpoint))
      throw new UserError(
        `the endpoint "${endpoint}" is no web address`,
        'give one with http:// or https://',
      );
    if (token !== undefined && !token.startsWith('hf_'))
      throw new UserError('the token in HF_TOKEN is no access token', 'set one that starts with hf_');
    this.where = {
      repo: name,
      revision,
      ...(endpoint && { hubUrl: endpoint.replace(/\/+$/, '') }),
      ...(token && { accessToken: token }),
    };
  }

  /** The files of the top folder. */
  async files(): Promise<HubFile[]> {
    // Only this command needs the library.
    const { listFiles } = await import('@huggingface/hub');
    const found: HubFile[] = [];
    try {
      for await (const { type, path, size, oid, lfs } of listFiles(this.where)) {
        const hash = lfs
          ? ({ kind: 'sha256', hex: lfs.oid } as const)
          : ({ kind: 'git', hex: oid ?? '' } as const);
        if (type === 'file') found.push({ name: path, size: lfs?.size ?? size, hash });
      }
    } catch (error) {
      throw this.explain(error);
    }
    return found;
  }

  /** The content of a file from byte `start` on. Errors of the connection come out of the stream as they are. */
  async open({ name }: HubFile, start: number): Promise<ReadableStream<Uint8Array>> {
    const { downloadFile } = await import('@huggingface/hub');
    try {
      // Plain HTTP with ranges: it resumes on any server, and the checksum is the judge anyhow.
      const blob = await downloadFile({ ...this.where, path: name, xet: false });
      if (!blob) throw new UserError(`${this.name} has no file ${name} any more`, 'run the command again');
      return blob.slice(start).stream();
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** An answer of the server as a message; a failed connection stays what it is, so that it can be tried again. */
  private explain(error: unknown): unknown {
    const status = (error as { statusCode?: number }).statusCode;
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
    if (status !== undefined && status < 500 && status !== 429)
      return new UserError(`${server} answers ${status} for ${name}`, 'check the name and --endpoint');
    return error;
  }
}

/** What a lasting failure of the connection tells the user. */
export function unreachable(what: string, { endpoint }: HubOptions, error: unknown): UserError {
  const status = (error as { statusCode?: number }).statusCode;
  const reason = status === undefined ? causeOf(error) : `it answers ${status}`;
  return new UserError(
    `${what} cannot be read from ${endpoint ?? 'the Hugging Face hub'}: ${reason}`,
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
