/** How many entries go into one transaction: as many as are written in about `TARGET_MS`, which the loop stands still for. Pure. */
import { limits } from '../../shared/base/limits.ts';

const TARGET_MS = 10;
const COUNT_MIN = 8;
const COUNT_FIRST = 128;

export class BatchSize {
  #count = COUNT_FIRST;

  get count(): number {
    return this.#count;
  }

  /** `entries` were written in `ms`. */
  wrote(entries: number, ms: number): void {
    if (ms > 2 * TARGET_MS) this.#count = Math.max(COUNT_MIN, this.#count >> 1);
    else if (ms < TARGET_MS && entries >= this.#count) {
      this.#count = Math.min(limits.inboxBatchEntriesMax, this.#count * 2);
    }
  }
}
