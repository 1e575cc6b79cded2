/** Thread of `keptHash`: hashes one file. It has nothing else to do, so it reads synchronously. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const hash = createHash('sha256');
const piece = new Uint8Array(2 ** 20);
const file = openSync(workerData as string, 'r');
try {
  for (let read = readSync(file, piece); read > 0; read = readSync(file, piece))
    hash.update(piece.subarray(0, read));
} finally {
  closeSync(file);
}
parentPort!.postMessage(hash.digest('hex'));
