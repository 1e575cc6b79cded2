/** `bench ladder gemm`. */
import { UserError } from '../../engine/errors.js';
import type { Flags } from '../command.js';

export async function runLadder(_: Flags): Promise<string> {
  throw new UserError('no ladder is there yet', 'wait for it');
}
