import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { Tokenizer } from '../../../models/clip/tokenizer.js';
import { loadTokenizer } from '../../../models/clip/tokenizerFile.js';
import { memoryPlatform } from '../../helpers/memoryPlatform.js';
import { describeWithShared, sharedFolder } from '../../helpers/shared.js';

/** Every byte's symbol, as `bytes_to_unicode` makes them, then merges that spell "cat", "'s" and "ca". */
const bytes = Array.from({ length: 256 }, (_, byte) => byte);
const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
const symbols = [
  ...bytes.filter(printable).map((byte) => String.fromCharCode(byte)),
  ...bytes.filter((byte) => !printable(byte)).map((_, i) => String.fromCharCode(256 + i)),
];
const merges = ['a t</w>', "' s</w>", 'c at</w>', 'c a'];
const tokens = [
  ...symbols,
  ...symbols.map((symbol) => `${symbol}</w>`),
  ...merges.map((merge) => merge.replace(' ', '')),
  '<|startoftext|>',
  '<|endoftext|>',
];
const id = (token: string) => tokens.indexOf(token);
const ids = (...wanted: string[]) => wanted.map(id);

/** Ids in another order than the vocabulary is listed, which must not matter. */
const json = {
  added_tokens: [{ id: 517, content: '<|endoftext|>' }],
  model: {
    type: 'BPE',
    end_of_word_suffix: '</w>',
    vocab: Object.fromEntries(
      [...tokens.entries()]
        .reverse()
        .filter(([, token]) => token !== '<|endoftext|>')
        .map(([i, token]) => [token, i]),
    ),
    merges: merges.map((merge, i) => (i % 2 ? merge : merge.split(' '))),
  },
};
const list = ['#version: 0.2', ...merges, ''].join('\n');
const files = {
  'hf/tokenizer.json': JSON.stringify(json),
  'openai/bpe_simple_vocab_16e6.txt.gz': gzipSync(list),
  'plain/bpe_simple_vocab_16e6.txt': list,
  'empty/model.safetensors': 'x',
};
const load = (path: string) => loadTokenizer(memoryPlatform(files), path);

describe.each(['hf', 'hf/tokenizer.json', 'openai', 'plain'])('a small vocabulary from %s', (path) => {
  test('its size and special tokens', async () => {
    const { vocabularySize, startOfText, endOfText, padding } = await load(path);
    expect([vocabularySize, startOfText, endOfText, padding]).toEqual([518, 516, 517, 0]);
  });

  test('merges go by rank, words end in </w>', async () => {
    const tokenizer = await load(path);
    expect(tokenizer.encode('cat')).toEqual(ids('cat</w>'));
    expect(tokenizer.encode('cats')).toEqual(ids('ca', 't', 's</w>'));
    expect(tokenizer.encode(" Cat's\t ")).toEqual(ids('cat</w>', "'s</w>"));
    expect(tokenizer.encode('')).toEqual([]);
  });

  test('numbers go one by one, other signs together', async () => {
    const tokenizer = await load(path);
    expect(tokenizer.encode('12')).toEqual(ids('1</w>', '2</w>'));
    expect(tokenizer.encode('!?b')).toEqual(ids('!', '?</w>', 'b</w>'));
    expect(tokenizer.encode('x<|endoftext|>')).toEqual(ids('x</w>', '<|endoftext|>'));
  });
});

test('a row: start, text, end, padding', async () => {
  const tokenizer = await load('hf');
  expect([...tokenizer.tokenize('cat', 5)]).toEqual([516, id('cat</w>'), 517, 0, 0]);
  expect([...tokenizer.tokenize('x y z', 5)]).toEqual([516, id('x</w>'), id('y</w>'), id('z</w>'), 517]);
  expect(() => tokenizer.tokenize('w x y z', 5)).toThrow('"w x y z" has 6 tokens with start and end');
  const cut = tokenizer.tokenize('w x y z', 5, { truncate: true });
  expect([...cut]).toEqual([516, id('w</w>'), id('x</w>'), id('y</w>'), 517]);
  expect([...tokenizer.tokenize('cat', 5, { truncate: true })]).toEqual([516, id('cat</w>'), 517, 0, 0]);
});

/** What Python's functions make of the same characters (measured: CPython 3.11, regex 2024). */
describe('cleaning follows Python', () => {
  const same = async (text: string, plain: string) => {
    const tokenizer = await load('hf');
    expect(tokenizer.encode(text)).toEqual(tokenizer.encode(plain));
  };

  test('html.unescape, twice', async () => {
    await same('&amp;amp; &amp;lt;', '& <');
    await same('&ampx &lt &notit; &copycat', '&x < ¬it; ©cat');
    await same('&#39;s &#x41;&#65 &#128; &#0;', "'s aa € \ufffd");
    await same('a&#1;b&#xd800;', 'ab\ufffd');
    await same('&lang;&rang;', '⟨⟩');
    await same('&nosuch; & &;', '&nosuch; & &;');
  });

  test('white space and lower case', async () => {
    await same('\u0085a\u00a0\u2003b\u001c', 'a b');
    await same('e\u0301 \u0130', 'é i\u0307');
    const tokenizer = await load('hf');
    // No white space for Python's regex: the separator U+001C; the byte order mark.
    expect(tokenizer.encode('a\u001cb').length).toBe(3);
    expect(tokenizer.encode('a\ufeffb').length).toBe(5);
    // The long s counts as s in the pattern; U+0345 is dropped.
    expect(tokenizer.encode("'ſ").length).toBe(3);
    expect(tokenizer.encode('\u0345')).toEqual([]);
  });
});

test('unusable vocabularies are named', async () => {
  await expect(load('empty')).rejects.toThrow('no tokenizer in empty');
  const of = (content: unknown) =>
    loadTokenizer(memoryPlatform({ 't.json': JSON.stringify(content) }), 't.json');
  await expect(of({})).rejects.toThrow('t.json: it is not a byte-pair vocabulary');
  await expect(of({ model: { ...json.model, type: 'WordPiece' } })).rejects.toThrow('not a byte-pair');
  await expect(of({ model: { ...json.model, merges: ['a b c'] } })).rejects.toThrow('is not a pair');
  await expect(of({ ...json, model: { ...json.model, merges: ['q q'] } })).rejects.toThrow(
    'has no token "qq"',
  );
  await expect(of({ model: json.model })).rejects.toThrow('has no token "<|endoftext|>"');
  await expect(loadTokenizer(memoryPlatform({ f: '{"model":' }), 'f')).rejects.toThrow('f: it is not JSON');
  expect(() => new Tokenizer({ vocabulary: new Map(), merges: [] })).toThrow(
    'the vocabulary: it has no token',
  );
});

const goldens = 'goldens/tokenizer.json';
describeWithShared(goldens, 'the reference', () => {
  test("CLIP's vocabulary gives the reference's ids, from either file", async () => {
    const cases: { text: string; ids: number[] }[] = JSON.parse(
      readFileSync(`${sharedFolder}/${goldens}`, 'utf8'),
    );
    for (const name of ['tokenizer.json', 'bpe_simple_vocab_16e6.txt.gz']) {
      const tokenizer = await loadTokenizer(nodePlatform, `${sharedFolder}/clip-tokenizer/${name}`);
      expect(tokenizer.vocabularySize).toBe(49408);
      for (const { text, ids: expected } of cases)
        expect([text, ...tokenizer.tokenize(text, expected.length)]).toEqual([text, ...expected]);
    }
  });
});

describeWithShared('models/emoji-clip', 'the embedded default', () => {
  test("emoji-clip's vocabulary", async () => {
    const tokenizer = await loadTokenizer(nodePlatform, `${sharedFolder}/models/emoji-clip/teacher`);
    expect([tokenizer.vocabularySize, tokenizer.startOfText, tokenizer.endOfText]).toEqual([
      1024, 1022, 1023,
    ]);
    expect(tokenizer.tokenize('a photo of a cat face.', 32).length).toBe(32);
  });
});
