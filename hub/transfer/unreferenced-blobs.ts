/** Blobs that no version names leave: uploads that were given up, and chunks of versions whose files left. */
import { formatDuration } from '../../shared/base/duration.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { BlobLedger } from './blob-ledger.ts';

export class UnreferencedBlobs implements Expirable {
  readonly kind = 'unreferenced-blobs';
  readonly rule: string;
  readonly #ledger: BlobLedger;
  readonly #keptMs: number;

  constructor({ ledger, keptMs }: { readonly ledger: BlobLedger; readonly keptMs: number }) {
    this.#ledger = ledger;
    this.#keptMs = keptMs;
    this.rule = `no version names it, and nobody asked for it for ${formatDuration(keptMs)} (--upload-kept)`;
  }

  async find(now: number, limit: number): Promise<Found> {
    const figures = await this.#ledger.findDue(now - this.#keptMs, limit);
    return { ...figures, isMore: figures.count === limit };
  }

  removeSome(now: number): Promise<Removed> {
    return this.#ledger.removeDue(now - this.#keptMs);
  }
}
