/** Lies of a model hub about the content of a file. */
import { gzipSync } from 'node:zlib';
import { BAD_PLACES, type ContentScene, endless, type Lie, noise, pick, redirect, send } from './hubScene.js';

export const CONTENT_LIES: Readonly<Record<string, Lie>> = {
  'another content': { refused: true, content: (scene) => send(scene, flipped(scene)) },
  'less than it says': {
    refused: true,
    content: (scene) =>
      send(scene, scene.content.subarray(0, scene.random.below(scene.content.length)), true),
  },
  less: {
    refused: true,
    content: (scene) => send(scene, scene.content.subarray(0, scene.random.below(scene.content.length))),
  },
  more: {
    refused: true,
    content: (scene) =>
      send(scene, Buffer.concat([scene.content, noise(scene.random, 1 + scene.random.below(5000))])),
  },
  'without end': {
    refused: true,
    content: ({ response, content }) => {
      response.write(content);
      endless(response, content);
    },
  },
  'a web page': {
    refused: true,
    content: ({ response, content }) => {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(`<html>log in${' '.repeat(content.length)}`.slice(0, content.length));
    },
  },
  gzip: {
    refused: false,
    content: ({ response, content }) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(content));
    },
  },
  'a gzip bomb': {
    refused: true,
    content: ({ response }) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(Buffer.alloc(64 * 2 ** 20)));
    },
  },
  'broken gzip': {
    refused: true,
    content: ({ response, random }) => {
      response.setHeader('content-encoding', pick(random, ['gzip', 'br', 'deflate']));
      response.end(noise(random, 5000));
    },
  },
  'ranges ignored': { refused: false, content: (scene) => send({ ...scene, from: 0 }, scene.content) },
  'another part': {
    refused: true,
    content: ({ response, content, random }) => {
      const range = pick(random, [
        'bytes 5-9/10',
        `bytes 1-${content.length}/${content.length}`,
        'bytes */*',
        'x',
        `bytes 0-1/${content.length + 1}`,
      ]);
      response.writeHead(206, { 'content-range': range });
      response.end(content);
    },
  },
  'no such part': { refused: true, content: ({ response }) => void response.writeHead(416).end() },
  silence: { refused: true, content: () => undefined },
  'silence in the middle': {
    refused: true,
    content: ({ response, content, random }) => {
      response.setHeader('content-length', content.length);
      response.write(content.subarray(0, random.below(1000)));
    },
  },
  'a broken connection': { refused: true, content: ({ response }) => void response.socket?.destroy() },
  'no HTTP': {
    refused: true,
    content: ({ response, random }) => void response.socket?.end(noise(random, 300)),
  },
  'broken off behind each byte': {
    refused: true,
    content: ({ response, content, from }) => {
      response.writeHead(
        from > 0 ? 206 : 200,
        from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {},
      );
      response.write(content.subarray(from, from + 1), () => response.socket?.destroy());
    },
  },
  'moved to a bad place': {
    refused: true,
    content: (scene) => redirect(scene, pick(scene.random, BAD_PLACES)),
  },
  'moved in circles': {
    refused: true,
    content: (scene) =>
      redirect(scene, pick(scene.random, [scene.request.url!, `${scene.elsewhere}/circle`])),
  },
  'moved to another server': {
    refused: false,
    content: (scene) => redirect(scene, `${scene.elsewhere}/true`),
  },
  'moved to a server that is not there': {
    refused: true,
    content: (scene) => redirect(scene, 'http://127.0.0.1:9/x'),
  },
};

/** One bit is another, in what was asked for. */
function flipped({ content, random, from }: ContentScene): Buffer {
  const other = Buffer.from(content);
  const at = from + random.below(other.length - from);
  other[at] = other[at]! ^ (1 << random.below(8));
  return other;
}
