/** Lies of a model hub about its list of files. */

import type { Random } from '../../models/random.js';
import { BAD_PLACES, type Entry, endless, hex, type Lie, noise, pick, redirect } from './hubScene.js';

const weights =
  (change: (entry: Entry, random: Random) => Entry): Lie['list'] =>
  (entries, { random }) =>
    entries.map((entry) => (String(entry.path).startsWith('model') ? change(entry, random) : entry));

const ODD_NAMES = [
  '../model.safetensors',
  '../../outside.txt',
  '/tmp/outside.txt',
  'C:\\outside.txt',
  '..\\outside.txt',
  'model.safetensors/../../outside.txt',
  'model-00001-of-00002.safetensors/../../x',
  'model.safetensors\0.txt',
  '.',
  '..',
  '',
  'con',
  'a'.repeat(5000),
  '__proto__',
  'toString',
  '\x1b[2J',
  'model.safetensors ',
];

export const LIST_LIES: Readonly<Record<string, Lie>> = {
  'a list in a circle': {
    refused: true,
    list: (entries, { response, request, home }) => {
      response.setHeader('link', `<${home}${request.url}>; rel="next"`);
      return entries;
    },
  },
  'a list that goes on elsewhere': {
    refused: true,
    list: (entries, { response, random, elsewhere }) => {
      response.setHeader(
        'link',
        `<${pick(random, [`${elsewhere}/list`, 'file:///etc/passwd', 'http://'])}>; rel="next"`,
      );
      return entries;
    },
  },
  'a million entries': {
    refused: true,
    list: (entries, { response }) => {
      response.write(JSON.stringify(entries).slice(0, -1));
      endless(
        response,
        Buffer.from(
          ',{"type":"file","path":"model-00001-of-00001.safetensors","size":1,"oid":"0"}'.repeat(500),
        ),
      );
      return undefined;
    },
  },
  'an endless page': {
    refused: true,
    list: (_, { response, random }) => void endless(response, noise(random, 9999)),
  },
  'a deep list': { refused: true, list: (_, { response }) => void response.end('['.repeat(3e6)) },
  'no JSON': {
    refused: true,
    list: (_, { response, random }) =>
      void response.end(pick(random, ['', '<html>', '{}', 'null', '[null]', '[[]]', '1e999'])),
  },
  'odd fields': {
    refused: true,
    list: weights((entry, random) => ({
      ...entry,
      [pick(random, ['path', 'size', 'lfs', 'type'])]: pick<unknown>(random, [
        null,
        -1,
        0.5,
        1e300,
        [],
        {},
        true,
      ]),
    })),
  },
  'odd names': {
    refused: false,
    list: (entries, { random }) => [
      ...ODD_NAMES.map((path) => ({
        ...entries[0],
        path: random.below(2) ? path : `${path}/model.safetensors`,
      })),
      ...entries,
    ],
  },
  'odd names alone': {
    refused: true,
    list: (_, { random }) => [{ type: 'file', path: pick(random, ODD_NAMES), size: 3, oid: hex(random, 40) }],
  },
  'entries twice': {
    refused: false,
    list: (entries, { random }) => [
      ...entries,
      ...entries.map((entry) => ({ ...entry, oid: hex(random, 40) })),
    ],
  },
  'sizes beyond any disk': {
    refused: true,
    list: weights((entry) => ({ ...entry, size: 2 ** 52, lfs: { ...(entry.lfs as object), size: 2 ** 52 } })),
  },
  'a config beyond any': {
    refused: true,
    list: (entries) =>
      entries.map((entry) => (entry.path === 'config.json' ? { ...entry, size: 1e9 } : entry)),
  },
  'a wrong size': {
    refused: true,
    list: weights((entry, random) => {
      const size = Math.max(0, (entry.size as number) + pick(random, [-1, 1, -1000, 1000, 123_456]));
      return { ...entry, size, lfs: { ...(entry.lfs as object), size } };
    }),
  },
  'a wrong hash': {
    refused: true,
    list: weights((entry, random) => ({
      ...entry,
      lfs: {
        ...(entry.lfs as object),
        oid: pick(random, [hex(random, 64), hex(random, 40), '', '../../x', `${'0'.repeat(63)}\n`]),
      },
    })),
  },
  'a silent list': { refused: true, list: () => undefined },
  'a list byte by byte': {
    refused: true,
    list: (_, { response }) => {
      const timer = setInterval(() => response.write('['), 30);
      response.on('close', () => clearInterval(timer));
      return undefined;
    },
  },
  'a list moved to a bad place': {
    refused: true,
    list: (_, scene) => void redirect(scene, pick(scene.random, BAD_PLACES)),
  },
  'a list in circles': { refused: true, list: (_, scene) => void redirect(scene, scene.request.url!) },
  'a status': {
    refused: true,
    list: (_, { response, random }) => {
      response.writeHead(pick(random, [204, 300, 304, 400, 401, 403, 404, 410, 418, 429, 451, 500, 503]));
      response.end();
      return undefined;
    },
  },
};
