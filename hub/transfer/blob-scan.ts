/**
 * Compares the disk with the ledger, at a start and then once a day, one folder at a time: a blob without a row, as a crash or a
 * restore leaves it, gets one and is kept as if it had been uploaded now; what a write left behind that did not end leaves
 * when it is as old as uploads are kept.
 */
import type { Clock } from '../../shared/base/clock.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { BlobLedger } from './blob-ledger.ts';
import type { BlobLedgerStore } from './blob-ledger-store.ts';
import type { BlobStore, UnfinishedBlob } from './blob-store.ts';

export interface BlobScanProps {
  readonly blobs: BlobStore;
  readonly store: Pick<BlobLedgerStore, 'withPrefix'>;
  readonly ledger: Pick<BlobLedger, 'adopt'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly keptMs: number;
}

const PREFIXES = 256;
const PASS_MS = 5;

export class BlobScan implements Expirable {
  readonly kind = 'unfinished-uploads';
  readonly rule: string;
  readonly #props: BlobScanProps;
  /** As found in the last round, by name. */
  readonly #unfinished = new Map<string, UnfinishedBlob>();
  /** The folder that is next. */
  #next = 0;
  #roundAt: number;

  constructor(props: BlobScanProps) {
    this.#props = props;
    this.#roundAt = props.clock.monotonic();
    this.rule = `left behind by a write that did not end ${formatDuration(props.keptMs)} ago (--upload-kept)`;
  }

  async find(now: number, limit: number): Promise<Found> {
    const due = this.#due(now);
    const counted = due.slice(0, limit);
    return {
      count: counted.length,
      bytes: counted.reduce((sum, { bytes }) => sum + bytes, 0),
      isMore: due.length > counted.length,
      oldestAt: counted.length === 0 ? undefined : Math.min(...counted.map(({ changedAt }) => changedAt)),
    };
  }

  async removeSome(now: number): Promise<Removed> {
    const { clock, blobs } = this.#props;
    const isRound = this.#next > 0 || clock.monotonic() >= this.#roundAt;
    // Most folders are small: several of them make one pass.
    const endAt = performance.now() + PASS_MS;
    if (isRound)
      do await this.#scanNext();
      while (this.#next > 0 && performance.now() < endAt);
    const due = this.#due(now).slice(0, limits.unfinishedBlobsPerPassMax);
    for (const { name } of due) {
      await blobs.removeUnfinished(name);
      this.#unfinished.delete(name);
    }
    return {
      count: due.length,
      bytes: due.reduce((sum, { bytes }) => sum + bytes, 0),
      isMore: this.#next > 0 || this.#due(now).length > 0,
    };
  }

  async #scanNext(): Promise<void> {
    const { blobs, store, ledger, clock } = this.#props;
    const prefix = this.#next.toString(16).padStart(2, '0');
    for (const name of this.#unfinished.keys()) if (name.startsWith(prefix)) this.#unfinished.delete(name);
    for (const found of (await blobs.unfinished(prefix)).slice(0, limits.unfinishedBlobsPerPassMax))
      this.#unfinished.set(found.name, found);
    const held = await blobs.list(prefix);
    const known = await store.withPrefix(prefix);
    await ledger.adopt([...held].filter((digest) => !known.has(digest)));
    this.#next = (this.#next + 1) % PREFIXES;
    if (this.#next === 0) this.#roundAt = clock.monotonic() + limits.blobScanEveryMs;
  }

  #due(now: number): UnfinishedBlob[] {
    return [...this.#unfinished.values()].filter(({ changedAt }) => changedAt <= now - this.#props.keptMs);
  }
}
