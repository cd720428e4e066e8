/** How many entries go into one transaction: as many as are written in about `TARGET_MS`, which blocks the event loop. Pure. */
import { limits } from '../../shared/base/limits.ts';

const TARGET_MS = 10;
const COUNT_MIN = 8;
const COUNT_FIRST = 64;
/** A slow batch may be due to its entries, or only to other load on the machine. */
const SHRINK_MAX = 4;

export class BatchSize {
  #count = COUNT_FIRST;

  get count(): number {
    return this.#count;
  }

  /** `entries` were written in `ms`. */
  wrote(entries: number, ms: number): void {
    if (ms > 2 * TARGET_MS) {
      const fitting = Math.floor((entries * TARGET_MS) / ms);
      this.#count = Math.max(COUNT_MIN, Math.floor(this.#count / SHRINK_MAX), Math.min(this.#count, fitting));
    } else if (ms < TARGET_MS && entries >= this.#count) {
      this.#count = Math.min(limits.inboxBatchEntriesMax, this.#count * 2);
    }
  }
}
