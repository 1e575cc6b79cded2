/** What single elements of attention's results must be, for a tuner that checks some of many. */
import { type AttentionLaunch, HEAD } from './launch.js';

/** Values of a launch's inputs, by the names of the bindings. */
type Inputs = Readonly<Record<string, ArrayLike<number>>>;
type Row = (d: number) => number;

/** Element `at` of an output in float64; undefined where the launch leaves it to another. */
export function expectedElement(
  { entry, reads: { qkv }, heads, causal }: AttentionLaunch,
  inputs: Inputs,
  output: string,
  at: number,
): number | undefined {
  const [, tokens, width] = qkv.shape as [number, number, number];
  const see = (b: number, h: number) => new Head(inputs, { tokens, heads, causal }, b, h);
  if (output === 'lse' || output === 'delta') {
    const token = at % tokens;
    const head = see(Math.floor(at / tokens / heads), Math.floor(at / tokens) % heads);
    return output === 'lse' ? head.logSum(token) : head.delta(token);
  }
  const d = at % HEAD;
  const columns = output === 'o' ? width / 3 : width;
  const token = Math.floor(at / columns) % tokens;
  const part = Math.floor((at % columns) / (heads * HEAD));
  const head = see(Math.floor(at / columns / tokens), Math.floor((at % columns) / HEAD) % heads);
  if (output === 'o') {
    const log = head.logSum(token);
    return head.overKeys(token, (j) => Math.exp(head.score(token, j) - log) * head.qkv(j, 2)(d));
  }
  if ((entry === 'queries') !== (part === 0)) return undefined;
  if (part === 0) {
    const delta = head.delta(token);
    return head.overKeys(token, (j) => head.slope(token, j, delta) * head.qkv(j, 1)(d));
  }
  return head.overQueries(token, (i) =>
    part === 1
      ? head.slope(i, token, head.scalar('delta', i)) * head.qkv(i, 0)(d)
      : head.weight(i, token) * head.out('d_o', i)(d),
  );
}

/** One head of one sequence. */
class Head {
  constructor(
    private readonly inputs: Inputs,
    private readonly sizes: { readonly tokens: number; readonly heads: number; readonly causal: boolean },
    private readonly b: number,
    private readonly h: number,
  ) {}

  /** q, k or v (0, 1, 2) of a token. */
  qkv(token: number, part: number): Row {
    const { tokens, heads } = this.sizes;
    const start = (((this.b * tokens + token) * 3 + part) * heads + this.h) * HEAD;
    return (d) => this.inputs.qkv![start + d]!;
  }

  out(name: 'o' | 'd_o', token: number): Row {
    const { tokens, heads } = this.sizes;
    const start = ((this.b * tokens + token) * heads + this.h) * HEAD;
    return (d) => this.inputs[name]![start + d]!;
  }

  scalar(name: 'lse' | 'delta', token: number): number {
    const { tokens, heads } = this.sizes;
    return this.inputs[name]![(this.b * heads + this.h) * tokens + token]!;
  }

  score = (i: number, j: number): number => dot(this.qkv(i, 0), this.qkv(j, 1)) / 8;
  weight = (i: number, j: number): number => Math.exp(this.score(i, j) - this.scalar('lse', i));
  delta = (i: number): number => dot(this.out('d_o', i), this.out('o', i));
  slope = (i: number, j: number, delta: number): number =>
    (this.weight(i, j) * (dot(this.out('d_o', i), this.qkv(j, 2)) - delta)) / 8;

  /** Sum over the keys that query `i` sees. */
  overKeys(i: number, term: (j: number) => number): number {
    return sum(0, this.sizes.causal ? i + 1 : this.sizes.tokens, term);
  }

  /** Sum over the queries that see key `j`. */
  overQueries(j: number, term: (i: number) => number): number {
    return sum(this.sizes.causal ? j : 0, this.sizes.tokens, term);
  }

  /** lse of query `i`. */
  logSum(i: number): number {
    let highest = Number.NEGATIVE_INFINITY;
    this.overKeys(i, (j) => {
      highest = Math.max(highest, this.score(i, j));
      return 0;
    });
    return highest + Math.log(this.overKeys(i, (j) => Math.exp(this.score(i, j) - highest)));
  }
}

function sum(from: number, to: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = from; i < to; i++) total += term(i);
  return total;
}

const dot = (a: Row, b: Row): number => sum(0, HEAD, (d) => a(d) * b(d));
