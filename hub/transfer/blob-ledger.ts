/**
 * Which blobs are stored, and which of them no version names. One of those leaves when nobody has uploaded it, nor been told
 * that it is there, for as long as uploads are kept; so a publisher who was told so, and uploads no second time, has that
 * long to publish. What a version names never leaves, nor what a running publish has pinned.
 *
 * Order: a row comes before its file and goes before it. Killed in between, a row without a file leaves when its time has come,
 * and a file without a row is found (blob-scan.ts) and kept as if it had just been uploaded. While files leave whose rows are
 * gone, whoever wants one of them waits until it is gone as well: he is never told of a file that is about to go.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { partsOf } from '../../shared/base/parts.ts';
import type { Tables } from '../db/tables.ts';
import type { BlobLedgerStore, BlobTotal } from './blob-ledger-store.ts';
import type { BlobStore } from './blob-store.ts';
import { requireQuota, type UploadQuotas } from './upload-quotas.ts';

export interface BlobLedgerProps {
  readonly store: BlobLedgerStore;
  readonly blobs: BlobStore;
  readonly clock: Pick<Clock, 'now'>;
  /** Of these, those that a version names. */
  readonly namedBy: (digests: readonly string[], tx: Transaction<Tables>) => Promise<ReadonlySet<string>>;
  readonly quotas: UploadQuotas;
}

/** Digests of one statement, and files that leave in one pass. */
const PART = 200;

export class BlobLedger {
  readonly #props: BlobLedgerProps;
  /** Files that are about to go, each until it is gone. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** By how many running publishes each is wanted. */
  readonly #pins = new Map<string, number>();

  constructor(props: BlobLedgerProps) {
    this.#props = props;
  }

  get quotas(): UploadQuotas {
    return this.#props.quotas;
  }

  totals(): Promise<BlobTotal[]> {
    return this.#props.store.totals();
  }

  /** Those of the digests that must be uploaded; the others are kept as if they had been uploaded now. */
  async missing(digests: readonly string[]): Promise<string[]> {
    const { store, blobs, clock } = this.#props;
    const missing: string[] = [];
    for (const part of partsOf(digests, PART)) {
      const now = clock.now();
      const known = await store.transaction(async (tx) => {
        await store.renew(part, now, tx);
        return store.known(part, tx);
      });
      const unknown = part.filter((digest) => !known.has(digest));
      const adopted = await this.adopt(unknown);
      for (const digest of part) {
        const isHeld = known.has(digest) ? await blobs.has(digest) : adopted.has(digest);
        if (!isHeld) missing.push(digest);
      }
    }
    return missing;
  }

  /**
   * Stores what somebody uploads. Throws `upload_quota_exceeded`, `storage_quota_exceeded`, `bad_input`, `disk_full`; then
   * nothing is kept. Returns whether it is new.
   */
  async put(digest: string, bytes: Uint8Array, uploadedBy: string): Promise<boolean> {
    const { store, blobs, clock, quotas } = this.#props;
    const now = clock.now();
    const isNew = await store.transaction(async (tx) => {
      if ((await store.known([digest], tx)).has(digest)) {
        await store.renew([digest], now, tx);
        return false;
      }
      requireQuota({ totals: await store.totals(tx), uploadedBy, bytes: bytes.byteLength, quotas });
      const row = { sha256: digest, bytes: bytes.byteLength, stored_at: now, unreferenced_since: now };
      await store.add([{ ...row, uploaded_by: uploadedBy }], tx);
      return true;
    });
    await this.#leaving.get(digest);
    try {
      await blobs.put(digest, bytes);
    } catch (error) {
      // Somebody else may have stored it meanwhile: then it has a file, and its row belongs to that.
      if (isNew && !(await blobs.has(digest).catch(() => false)))
        await store.removeUnreferenced(digest).catch(() => undefined);
      throw error;
    }
    return isNew;
  }

  /** Blobs on the disk without a row get one, as if they had been uploaded now by nobody known. Returns those that are there. */
  async adopt(digests: readonly string[]): Promise<ReadonlySet<string>> {
    const { store, blobs, clock, namedBy } = this.#props;
    const adopted = new Set<string>();
    for (const part of partsOf(digests, PART)) {
      const sizes = new Map<string, number>();
      for (const digest of part) {
        await this.#leaving.get(digest);
        const bytes = await blobs.size(digest);
        if (bytes !== undefined) sizes.set(digest, bytes);
      }
      if (sizes.size === 0) continue;
      const now = clock.now();
      await store.transaction(async (tx) => {
        const named = await namedBy([...sizes.keys()], tx);
        const rows = [...sizes].map(([sha256, bytes]) => ({
          sha256,
          bytes,
          stored_at: now,
          unreferenced_since: named.has(sha256) ? null : now,
          uploaded_by: '',
        }));
        await store.add(rows, tx);
      });
      for (const digest of sizes.keys()) adopted.add(digest);
      await nextTurn();
    }
    return adopted;
  }

  /** None of these leaves until the function returned is called. */
  pin(digests: Iterable<string>): () => void {
    const pinned = [...new Set(digests)];
    for (const digest of pinned) this.#pins.set(digest, (this.#pins.get(digest) ?? 0) + 1);
    return () => {
      for (const digest of pinned.splice(0)) {
        const left = this.#pins.get(digest)! - 1;
        if (left > 0) this.#pins.set(digest, left);
        else this.#pins.delete(digest);
      }
    };
  }

  /** A version names these from now on: they stay. Throws `chunks_missing` when one is not stored. */
  async name(digests: Iterable<string>, tx: Transaction<Tables>): Promise<void> {
    for (const part of partsOf([...new Set(digests)], PART)) {
      const missing = part.length - (await this.#props.store.name(part, tx));
      if (missing > 0)
        throw new AppError(
          'chunks_missing',
          `Cannot publish the version: the hub lacks ${missing} of its chunks.`,
        );
    }
  }

  /** No version names these any more: they are kept as if they had been uploaded now. */
  async markUnreferenced(digests: readonly string[], now: number, tx: Transaction<Tables>): Promise<void> {
    for (const part of partsOf(digests, PART)) await this.#props.store.markUnreferenced(part, now, tx);
  }

  /** What was unreferenced since `before` or longer, of at most `limit`. */
  async findDue(before: number, limit: number) {
    return this.#props.store.dueFigures(before, limit);
  }

  /** Lets a few of those leave, the oldest first. */
  async removeDue(before: number): Promise<{ count: number; bytes: number; isMore: boolean }> {
    const { store, blobs } = this.#props;
    const due = await store.due(before, PART);
    const digests = due.map(({ sha256 }) => sha256).filter((digest) => !this.#pins.has(digest));
    if (digests.length === 0) return { count: 0, bytes: 0, isMore: false };
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    // Before the rows go: see the header.
    for (const digest of digests) this.#leaving.set(digest, gone);
    try {
      // Somebody may have asked for one, or a version named it, since they were looked up.
      const removed = await store.transaction((tx) => store.removeDue(digests, before, tx));
      // Each of them is gone or has failed before anybody goes on who waits for one.
      const ends = await Promise.allSettled(removed.map(({ sha256 }) => blobs.delete(sha256)));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
      const bytes = removed.reduce((sum, row) => sum + row.bytes, 0);
      return { count: removed.length, bytes, isMore: due.length === PART };
    } finally {
      for (const digest of digests) this.#leaving.delete(digest);
      resolve();
    }
  }
}
