import { setImmediate as othersTurn } from 'node:timers/promises';
import type { Slices } from '../../shared/base/slices.ts';

/** The result of work in slices; between two of them everybody else's turn comes. */
export async function runInSlices<T>(slices: Slices<T>): Promise<T> {
  for (;;) {
    const { done, value } = slices.next();
    if (done) return value;
    await othersTurn();
  }
}
