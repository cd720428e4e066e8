/**
 * Rollups as they were read last: those of past days and hours seldom change, and a figure of two weeks reads few others. A row is decoded
 * again when its bytes are others than before, so nothing has to be told of writes. Bounded by the bytes of the rows.
 */
import { limits } from '../../../shared/base/limits.ts';
import { type RollupRow, rollupText } from './rollup-store.ts';
import { RollupSums } from './rollup-sums.ts';

interface Decoded {
  readonly body: Uint8Array;
  readonly sums: RollupSums;
}

export class DecodedRollups {
  readonly #bytesMax: number;
  /** The one that was used last at the end. */
  readonly #rows = new Map<string, Decoded>();
  #bytes = 0;

  constructor(bytesMax: number = limits.rollupsDecodedBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** What the row holds; not to be changed. Throws what `RollupSums.decode` throws. */
  of(row: RollupRow): RollupSums {
    const text = rollupText(row);
    const known = this.#rows.get(text);
    const isSame = known !== undefined && Buffer.compare(known.body, row.body) === 0;
    const decoded = isSame ? known : { body: row.body, sums: RollupSums.decode(row.body) };
    this.#rows.delete(text);
    this.#rows.set(text, decoded);
    this.#bytes += decoded.body.byteLength - (known?.body.byteLength ?? 0);
    this.#evict();
    return decoded.sums;
  }

  #evict(): void {
    for (const [text, { body }] of this.#rows) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#rows.delete(text);
      this.#bytes -= body.byteLength;
    }
  }
}
