import { expect } from 'vitest';

/** Expects a page that loads nothing from anywhere and runs no script. */
export function expectOffline(html: string): void {
  const outside = html
    .replaceAll('http://www.w3.org/2000/svg', '')
    .replaceAll('http://www.w3.org/1999/xlink', '');
  expect(outside).not.toMatch(/https?:|\/\/[a-z]|<script|<link|<iframe|@import|url\((?!#)/i);
  for (const [, source] of outside.matchAll(/\bsrc="([^"]*)"/g))
    expect(source).toMatch(/^data:image\/jpeg;base64,/);
}

/** Tags that HTML never closes. */
const VOID = new Set(['meta', 'img', 'br', 'hr', 'input']);

/** Expects every element to be closed in its order, and every attribute to be quoted. */
export function expectWellFormed(html: string): void {
  const open: string[] = [];
  const body = html.replace(/^<!doctype html>/, '').replace(/<style>[\s\S]*?<\/style>/g, '');
  for (const [tag, closing, name, attributes, alone] of body.matchAll(
    /<(\/?)([a-zA-Z0-9]+)([^<>]*?)(\/?)>/g,
  )) {
    expect(attributes, tag).toMatch(/^(\s+[\w:-]+(="[^"]*")?)*\s*$/);
    if (closing) expect(open.pop(), tag).toBe(name);
    else if (!alone && !VOID.has(name!)) open.push(name!);
  }
  expect(open).toEqual([]);
  expect(body.replace(/<\/?[a-zA-Z0-9]+[^<>]*>/g, '')).not.toMatch(/[<>]/);
}
