/**
 * The one writer of what devices send. Messages of many devices share a transaction, so that one flush to the disk serves
 * hundreds; each resolves when that is done (promise P4). Devices take turns, batches are small, and between two of them
 * the event loop and other users of the database run: a burst of one device does not delay the next.
 *
 * While the database accepts no writes (disk full, locked), nothing is refused: what waits is retried until it is
 * stored. Memory stays bounded because the broker stops reading from a device that has enough unanswered. An entry that
 * fails on its own account is refused alone.
 */
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import { isStorageTrouble } from '../db/storage-trouble.ts';
import type { Tables } from '../db/tables.ts';
import { BatchSize } from './batch-size.ts';
import { FairQueue } from './fair-queue.ts';

export interface Entry<Body> {
  readonly deviceId: string;
  readonly body: Body;
}

/** The part of the hub that knows how its entries are stored. */
export interface EntryWriter<Body> {
  /**
   * Looks up what `write` needs from elsewhere. May be called again for the same entries, when they could not be stored, or for
   * smaller parts, when it rejected: the entry for which it rejects alone is refused.
   */
  prepare?(entries: readonly Entry<Body>[]): Promise<void>;
  /**
   * Stores the entries, those of a device in their order. What it returns is called after the commit. Must use `tx` for all its
   * queries.
   */
  write(entries: readonly Entry<Body>[], tx: Transaction<Tables>): Promise<(() => void) | undefined>;
}

export interface InboxCounts {
  /** Entries stored since the start, and the transactions used. */
  stored: number;
  batches: number;
  /** Entries that failed on their own account. */
  refused: number;
  /** Batches that the database did not accept and that were retried. */
  held: number;
}

export interface DeviceInboxProps {
  readonly database: Database;
  readonly logger: Logger;
}

const HOLD_FIRST_MS = 100;
/** No device has this id. */
const HUB = '';

interface Waiting {
  /** Entries with the same key are stored in order. */
  readonly queue: string;
  readonly deviceId: string;
  readonly bytes: number;
  readonly body: unknown;
  readonly writer: EntryWriter<unknown>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  isSettled: boolean;
}

export class DeviceInbox {
  readonly counts: InboxCounts = { stored: 0, batches: 0, refused: 0, held: 0 };
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #log: LimitedLog;
  readonly #queue = new FairQueue<Waiting>();
  readonly #size = new BatchSize();
  #running: Promise<void> | undefined;
  /** Set while the database accepts no writes: how long to wait before the next try. */
  #heldMs: number | undefined;
  readonly #closing = new AbortController();

  constructor({ database, logger }: DeviceInboxProps) {
    this.#database = database;
    this.#logger = logger;
    this.#log = new LimitedLog({ logger, monotonic: () => performance.now() });
  }

  /** Entries that wait to be stored. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Whether the database did not accept the last batch. */
  get isHeld(): boolean {
    return this.#heldMs !== undefined;
  }

  /** Resolves when the entry is durable; rejects when it cannot be stored: then none of the device's entries queued behind it is. */
  store<Body>(writer: EntryWriter<Body>, entry: Entry<Body> & { readonly bytes: number }): Promise<void> {
    return this.#put(writer, entry, entry.deviceId);
  }

  /** Stores something the hub itself noticed of a device: it stays when the device's connection ends. */
  note<Body>(writer: EntryWriter<Body>, entry: Entry<Body>): Promise<void> {
    return this.#put(writer, { ...entry, bytes: 0 }, HUB);
  }

  /** Drops what waits of a device whose connection has ended: there is no connection to acknowledge on, and the device sends it again. */
  forget(deviceId: string): void {
    for (const entry of this.#queue.remove(deviceId)) {
      entry.reject(
        new AppError('link_lost', `The connection of "${deviceId}" ended before its message was stored.`),
      );
    }
  }

  #put<Body>(
    writer: EntryWriter<Body>,
    { deviceId, body, bytes }: Entry<Body> & { readonly bytes: number },
    queue: string,
  ): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.reject(closedError(deviceId));
    return new Promise((resolve, reject) => {
      const entry = { queue, deviceId, body, bytes, writer: writer as EntryWriter<unknown>, resolve, reject };
      this.#queue.push({ ...entry, isSettled: false });
      this.#running ??= this.#run();
    });
  }

  /** Accepts nothing more; resolves when what was accepted is stored, or cannot be. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.size > 0) {
      // Let the event loop receive what has arrived; wait a little when that is not yet a full batch.
      if (this.#queue.size < this.#size.count && !this.#closing.signal.aborted) {
        await wait(limits.inboxBatchWaitMs);
      } else {
        await nextTurn();
      }
      // One at a time while held, of one device after the other: what can be stored does not wait for what cannot.
      const countMax = this.isHeld ? 1 : this.#size.count;
      await this.#storeOrHold(this.#queue.take({ countMax, bytesMax: limits.inboxBatchBytesMax }));
    }
    this.#running = undefined;
  }

  async #storeOrHold(batch: readonly Waiting[]): Promise<void> {
    const refused = new Set<string>();
    try {
      await this.#storeParts(batch, refused);
      if (this.isHeld)
        this.#logger.warn({ waiting: this.waiting }, 'the hub can store messages of devices again');
      this.#heldMs = undefined;
    } catch (error) {
      this.#queue.putBack(batch.filter((entry) => !entry.isSettled));
      await this.#hold(error);
    }
    for (const queue of refused) {
      for (const entry of this.#queue.remove(queue)) this.#refuse(entry, behindError(entry.deviceId));
    }
  }

  /** Stores a batch, or, when an entry in it fails on its own account, its halves. Throws when the database accepts no writes. */
  async #storeParts(batch: readonly Waiting[], refused: Set<string>): Promise<void> {
    const part = batch.filter((entry) => {
      // What a device sent after something that was refused would overtake it.
      if (refused.has(entry.queue)) this.#refuse(entry, behindError(entry.deviceId));
      return !entry.isSettled;
    });
    if (part.length === 0) return;
    try {
      await this.#commit(part);
      return;
    } catch (error) {
      if (isStorageTrouble(error)) throw error;
      if (part.length === 1) {
        const [{ queue, deviceId }] = part as [Waiting];
        const details = { device: deviceId, err: error };
        this.#log.error(deviceId, details, 'a message of a device could not be stored');
        refused.add(queue);
        this.#refuse(part[0]!, error);
        return;
      }
    }
    await nextTurn();
    const half = part.length >> 1;
    await this.#storeParts(part.slice(0, half), refused);
    await this.#storeParts(part.slice(half), refused);
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const byWriter = Map.groupBy(batch, (entry) => entry.writer);
    for (const [writer, entries] of byWriter) await writer.prepare?.(entries);
    let writeMs = 0;
    const committed = await this.#database.transaction().execute(async (tx) => {
      const began = performance.now();
      const afterwards: ((() => void) | undefined)[] = [];
      for (const [writer, entries] of byWriter) afterwards.push(await writer.write(entries, tx));
      writeMs = performance.now() - began;
      return afterwards;
    });
    this.#size.wrote(batch.length, writeMs);
    this.counts.stored += batch.length;
    this.counts.batches += 1;
    for (const notify of committed) this.#notify(notify);
    for (const entry of batch) {
      entry.isSettled = true;
      entry.resolve();
    }
  }

  /** A listener's error must not fail what is already durable. */
  #notify(notify: (() => void) | undefined): void {
    try {
      notify?.();
    } catch (error) {
      this.#log.error('', { err: error }, 'a listener failed after a message of a device was stored');
    }
  }

  #refuse(entry: Waiting, error: unknown): void {
    entry.isSettled = true;
    this.counts.refused += 1;
    entry.reject(error);
  }

  /** Waits before the next try, or gives up when the hub stops. */
  async #hold(error: unknown): Promise<void> {
    if (!this.isHeld) {
      const details = { reason: errorText(error), waiting: this.waiting };
      this.#logger.error(
        details,
        'the hub cannot store messages of devices at present; it keeps them and tries again',
      );
    }
    this.counts.held += 1;
    this.#heldMs = Math.min(limits.inboxHoldMsMax, (this.#heldMs ?? HOLD_FIRST_MS / 2) * 2);
    await wait(this.#heldMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    if (!this.#closing.signal.aborted) return;
    for (const entry of this.#queue.take({ countMax: Infinity, bytesMax: Infinity }))
      this.#refuse(entry, error);
  }
}

function behindError(deviceId: string): AppError {
  return new AppError('hub_unreachable', `An earlier message of "${deviceId}" could not be stored.`);
}

function closedError(deviceId: string): AppError {
  return new AppError('hub_unreachable', `Cannot accept a message of "${deviceId}": the hub is stopping.`);
}
