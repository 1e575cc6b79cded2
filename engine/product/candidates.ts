/** The kernels that can compute a product on an adapter, and the choice between them. */
import type { Dispatch, KernelContext } from '../op.js';
import { broadcastDispatch } from './broadcast.js';
import type { Product } from './product.js';
import { registersDispatch } from './registers.js';

/** The launch that computes a product. */
export function chooseProduct(product: Product, { capabilities }: KernelContext): Dispatch {
  const { level, software, subgroupSize } = capabilities;
  if (software && level !== 'portable' && subgroupSize && subgroupSize[0] === subgroupSize[1])
    return broadcastDispatch(product, subgroupSize[0]);
  return registersDispatch(product);
}
