/**
 * Makes one change of files fail, or ends the process in the midst of it. Loaded before a program (`--import`), it does what
 * `TORTURE_FAULT` says; within a process, `inject` does.
 *
 * Every call that changes something under `folder` has a number, counted from 0: `open` for writing, `write`, `sync`,
 * `rename`, `mkdir`, `remove`, `truncate`.
 *
 * @typedef {'none' | 'ENOSPC' | 'EIO' | 'EACCES' | 'short' | 'kill-before' | 'kill-half' | 'kill-after'} Fault
 * @typedef {{ folder: string, fault: Fault, at?: number, log?: string }} Plan
 * @typedef {{ op: string, path: string }} Change
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { resolve, sep } from 'node:path';

const originals = { fs: { ...fs }, promises: { ...fs.promises } };

/**
 * @param {Plan} plan
 * @returns {{ changes: Change[], struck: () => boolean, restore: () => void }}
 */
export function inject({ folder, fault, at = -1, log }) {
  const root = resolve(folder);
  /** @type {Change[]} */
  const changes = [];
  let full = false;
  let struck = false;
  const inside = (path) => {
    const whole = resolve(String(path));
    return whole === root || whole.startsWith(root + sep) || whole.startsWith(`${root}.`);
  };
  /** Counts a change; what is to happen to it. */
  const fate = (op, path) => {
    const number = changes.push({ op, path: String(path) }) - 1;
    if (log) {
      const line = JSON.stringify({ op, path: String(path), ms: performance.now() });
      originals.fs.appendFileSync(log, `${line}\n`);
    }
    if (number === at) {
      struck = true;
      full = fault === 'ENOSPC';
      if (fault === 'kill-before') kill();
      return fault;
    }
    return full && !['sync', 'remove', 'rename'].includes(op) ? 'ENOSPC' : 'none';
  };
  const failure = (code, op, path) =>
    Object.assign(new Error(`${code}: injected, ${op} '${path}'`), { code, errno: -1, syscall: op, path });
  const refused = (what) => what === 'ENOSPC' || what === 'EIO' || what === 'EACCES';
  const half = (bytes) => bytes.subarray(0, bytes.length >> 1);
  const bytesOf = (data) =>
    typeof data === 'string'
      ? Buffer.from(data)
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

  /** Changes that happen or not, as a whole. */
  const whole =
    (op, original, pathOf = (path) => path) =>
    async (...args) => {
      const path = pathOf(...args);
      if (!inside(path)) return original(...args);
      const what = fate(op, path);
      if (refused(what)) throw failure(what, op, path);
      const result = await original(...args);
      if (what === 'kill-half' || what === 'kill-after') kill();
      return result;
    };
  const wholeSync =
    (op, original, pathOf = (path) => path) =>
    (...args) => {
      const path = pathOf(...args);
      if (!inside(path)) return original(...args);
      const what = fate(op, path);
      if (refused(what)) throw failure(what, op, path);
      const result = original(...args);
      if (what === 'kill-half' || what === 'kill-after') kill();
      return result;
    };
  const writes = (flags) => (typeof flags === 'string' ? /[wa+]/.test(flags) : Boolean((flags ?? 0) & 3));

  const wrapHandle = (handle, path) => {
    const real = {
      write: handle.write.bind(handle),
      writev: handle.writev.bind(handle),
      writeFile: handle.writeFile.bind(handle),
      sync: handle.sync.bind(handle),
      datasync: handle.datasync.bind(handle),
      truncate: handle.truncate.bind(handle),
    };
    handle.write = async (data, ...rest) => {
      const [offset = 0, length, position] =
        typeof data === 'string'
          ? [0, undefined, rest[0]]
          : typeof rest[0] === 'object' && rest[0] !== null
            ? [rest[0].offset, rest[0].length, rest[0].position]
            : rest;
      const all = bytesOf(data);
      const bytes = all.subarray(
        offset,
        length === undefined || length === null ? undefined : offset + length,
      );
      const what = fate('write', path);
      if (what === 'none' || what === 'kill-after') {
        const result = await writeAll(real.write, bytes, position);
        if (what === 'kill-after') kill();
        return { bytesWritten: result, buffer: data };
      }
      const part = half(bytes);
      if (part.length > 0) await writeAll(real.write, part, position);
      if (what === 'kill-half') kill();
      if (what === 'short') return { bytesWritten: part.length, buffer: data };
      throw failure(what, 'write', path);
    };
    handle.writev = async (parts, position) => {
      const { bytesWritten } = await handle.write(Buffer.concat(parts.map(bytesOf)), 0, undefined, position);
      return { bytesWritten, buffers: parts };
    };
    handle.writeFile = async (data, options) => {
      await writeAsFile((bytes) => real.write(bytes, 0, bytes.length), data, path, options);
    };
    handle.appendFile = handle.writeFile;
    handle.sync = whole('sync', real.sync, () => path);
    handle.datasync = whole('sync', real.datasync, () => path);
    handle.truncate = whole('truncate', real.truncate, () => path);
    return handle;
  };
  async function writeAll(write, bytes, position) {
    let done = 0;
    while (done < bytes.length) {
      const at = typeof position === 'number' ? position + done : null;
      done += (await write(bytes, done, bytes.length - done, at)).bytesWritten;
    }
    return done;
  }
  /** As Node's writeFile does: it goes on after a short write by itself. */
  async function writeAsFile(write, data, path) {
    const pieces = typeof data === 'string' || ArrayBuffer.isView(data) ? [data] : data;
    for await (const piece of pieces) {
      const bytes = bytesOf(piece);
      const what = fate('write', path);
      if (what === 'none' || what === 'short' || what === 'kill-after') await writeAll(write, bytes, null);
      else await writeAll(write, half(bytes), null);
      if (what === 'kill-half' || what === 'kill-after') kill();
      if (refused(what)) throw failure(what, 'write', path);
    }
  }
  const { fs: realFs, promises: real } = originals;
  const open = async (path, flags = 'r', mode) => {
    if (!writes(flags) && !(inside(path) && isFolder(path))) return real.open(path, flags, mode);
    if (!inside(path)) return real.open(path, flags, mode);
    // A folder is opened to be flushed, which changes nothing yet.
    if (!writes(flags)) return wrapHandle(await real.open(path, flags, mode), path);
    const what = fate('open', path);
    if (refused(what)) throw failure(what, 'open', path);
    const handle = await real.open(path, flags, mode);
    if (what === 'kill-half' || what === 'kill-after') kill();
    return wrapHandle(handle, path);
  };
  const isFolder = (path) => realFs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const asFile = (flags) => async (path, data, options) => {
    if (typeof path === 'object' && 'fd' in path) return path.writeFile(data, options);
    if (!inside(path)) return (flags === 'a' ? real.appendFile : real.writeFile)(path, data, options);
    const handle = await open(path, options?.flag ?? flags, options?.mode);
    try {
      await handle.writeFile(data, options);
    } finally {
      await handle.close();
    }
  };
  const asFileSync = (original) => (path, data, options) => {
    if (typeof path === 'number' || !inside(path)) return original(path, data, options);
    const what = fate('write', path);
    if (what === 'none' || what === 'short' || what === 'kill-after') original(path, data, options);
    else if (what !== 'EACCES') original(path, half(bytesOf(data)), options);
    if (what === 'kill-half' || what === 'kill-after') kill();
    if (refused(what)) throw failure(what, 'write', path);
  };
  const promises = {
    open,
    writeFile: asFile('w'),
    appendFile: asFile('a'),
    rename: whole('rename', real.rename, (_, to) => to),
    link: whole('rename', real.link, (_, to) => to),
    copyFile: whole('write', real.copyFile, (_, to) => to),
    mkdir: whole('mkdir', real.mkdir),
    rm: whole('remove', real.rm),
    unlink: whole('remove', real.unlink),
    rmdir: whole('remove', real.rmdir),
    truncate: whole('truncate', real.truncate),
  };
  const sync = {
    writeFileSync: asFileSync(realFs.writeFileSync),
    appendFileSync: asFileSync(realFs.appendFileSync),
    openSync: (path, flags, mode) =>
      (writes(flags) ? wholeSync('open', realFs.openSync) : realFs.openSync)(path, flags, mode),
    renameSync: wholeSync('rename', realFs.renameSync, (_, to) => to),
    linkSync: wholeSync('rename', realFs.linkSync, (_, to) => to),
    mkdirSync: wholeSync('mkdir', realFs.mkdirSync),
    rmSync: wholeSync('remove', realFs.rmSync),
    unlinkSync: wholeSync('remove', realFs.unlinkSync),
  };
  Object.assign(fs.promises, promises);
  Object.assign(fs, sync);
  syncBuiltinESMExports();
  return {
    changes,
    struck: () => struck,
    restore: () => {
      for (const name of Object.keys(promises)) fs.promises[name] = real[name];
      for (const name of Object.keys(sync)) fs[name] = realFs[name];
      syncBuiltinESMExports();
    },
  };
}

/** As if the power had gone: nothing of this process runs any more. */
function kill() {
  process.kill(process.pid, 'SIGKILL');
  // The signal arrives before anything else is done.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

if (process.env.TORTURE_FAULT) inject(JSON.parse(process.env.TORTURE_FAULT));
