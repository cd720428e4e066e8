import type { Random } from './clock.ts';

/**
 * A `Random` that gives the same numbers for the same seed: mulberry32 by Tommy Ettinger (2017, public domain), 32 bits
 * of state, passes gjrand's small tests. For data, tests and simulations; never for secrets.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
