/**
 * Random numbers for simulations of billions of draws: sfc32 by Chris Doty-Humphrey (PractRand 0.93, public domain), 128 bits of
 * state and a period of at least 2^32, on average 2^127. `stream` tells runs of one seed apart.
 */
import type { Random } from '../../../shared/base/clock.ts';

export function sfc32(seed: number, stream: number): Random {
  let a = seed >>> 0;
  let b = stream >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i += 1) next();
  return next;
}
