/**
 * Messages the hub must get, kept on the disk until it has acknowledged them (promise P4). They are sent in the order they
 * came in, over whichever connection there is; a restart or a `kill -9` loses none that `enqueue` has taken. Bounded in
 * bytes and number: over the bound the oldest telemetry goes first, and events only when there is no telemetry left.
 */
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { makeStateFolder } from '../../platform/state-folder.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { HubLink } from './hub-link.ts';
import {
  entryName,
  frame,
  isUnfinished,
  type OutboxEntry,
  type OutboxLeaf,
  parseEntryName,
  unframe,
} from './outbox-file.ts';

/** Messages under way at once: enough to fill a long line, few enough to send again. */
const WINDOW = 16;
const RETRY_MS = 1_000;

export interface OutboxProps {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bytesMax?: number;
  readonly messagesMax?: number;
}

export class Outbox {
  readonly #props: OutboxProps;
  readonly #log: LimitedLog;
  readonly #bytesMax: number;
  readonly #messagesMax: number;
  /** Oldest first. */
  #entries: OutboxEntry[];
  #bytes: number;
  #nextNumber: number;
  #underWay = new Set<number>();
  #dropped = { events: 0, telemetry: 0 };
  #writing: Promise<unknown> = Promise.resolve();
  #link: HubLink | undefined;
  #sending = false;
  readonly #stop = new AbortController();

  private constructor(props: OutboxProps, entries: OutboxEntry[], numberMax: number) {
    this.#props = props;
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => performance.now() });
    this.#bytesMax = props.bytesMax ?? limits.spoolBytesMaxDefault;
    this.#messagesMax = props.messagesMax ?? limits.outboxMessagesMax;
    this.#entries = entries;
    this.#bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    this.#nextNumber = numberMax + 1;
  }

  /** Opens the queue that the last run left. */
  static async open(props: OutboxProps): Promise<Outbox> {
    await makeStateFolder(props.folder);
    const entries: OutboxEntry[] = [];
    let numberMax = 0;
    for (const name of (await readdir(props.folder)).sort()) {
      const path = join(props.folder, name);
      const parsed = parseEntryName(name);
      // What has the name of a message and is none keeps it: the next message takes a higher number.
      if (parsed) numberMax = Math.max(numberMax, parsed.number);
      const found = await lstat(path).catch(() => undefined);
      if (!found?.isFile()) continue;
      if (parsed) entries.push({ ...parsed, bytes: found.size });
      else if (isUnfinished(name)) await rm(path, { force: true });
    }
    return new Outbox(props, entries, numberMax);
  }

  /** Messages not acknowledged yet. */
  get size(): number {
    return this.#entries.length;
  }

  /** Their size on the disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages given up since the start, because the queue was full or the disk damaged them. */
  get dropped(): { readonly events: number; readonly telemetry: number } {
    return { ...this.#dropped };
  }

  /** Resolves when the message is durable. Throws `disk_full`; then it is not in the queue. */
  enqueue(leaf: OutboxLeaf, payload: Uint8Array): Promise<void> {
    const done = this.#writing.then(() => this.#append(leaf, payload));
    this.#writing = done.catch(() => undefined);
    return done;
  }

  /** Call whenever the link is up: sends what is queued, and from then on what is added, until the link is lost. */
  sendOver(link: HubLink): void {
    this.#link = link;
    void this.#send();
  }

  /** Stops sending and waits for the writing under way; the queue stays on the disk. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('the outbox was closed'));
    await this.#writing;
  }

  async #append(leaf: OutboxLeaf, payload: Uint8Array): Promise<void> {
    const bytes = frame(payload);
    await this.#deleteOldest(bytes.length);
    const entry = { number: this.#nextNumber, leaf, bytes: bytes.length };
    await writeFileAtomic(this.#path(entry), bytes);
    this.#nextNumber += 1;
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    void this.#send();
  }

  async #deleteOldest(bytes: number): Promise<void> {
    while (this.#bytes + bytes > this.#bytesMax || this.#entries.length >= this.#messagesMax) {
      const idle = this.#entries.filter((entry) => !this.#underWay.has(entry.number));
      const victim = idle.find((entry) => entry.leaf === 'telemetry') ?? idle[0];
      if (!victim) return;
      await this.#remove(victim);
      this.#dropped[victim.leaf] += 1;
      this.#log.warn(victim.leaf, { leaf: victim.leaf, dropped: this.#dropped[victim.leaf] }, 'outbox full');
    }
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (!this.#stop.signal.aborted && this.#link?.isConnected && this.#entries.length > 0) {
        await this.#sendWindow(this.#link);
      }
    } catch (error) {
      this.#props.logger.error({ err: error }, 'outbox failed');
    } finally {
      this.#sending = false;
    }
  }

  /**
   * Sends the oldest messages side by side. The hub takes them in order and, after one it could not take, none of the
   * connection, so sending again from the oldest one left keeps the order.
   */
  async #sendWindow(link: HubLink): Promise<void> {
    const window = this.#entries.slice(0, WINDOW);
    for (const entry of window) this.#underWay.add(entry.number);
    const payloads = await Promise.all(window.map((entry) => this.#read(entry)));
    // Begun in one go: were there a pause between two, the link could be another one after it.
    const outcomes = window.map((entry, at) => {
      const payload = payloads[at];
      return payload === undefined || this.#sendOne(link, entry, payload);
    });
    const isFailed = (await Promise.all(outcomes)).includes(false);
    for (const entry of window) this.#underWay.delete(entry.number);
    if (isFailed && link.isConnected) {
      await this.#props.clock.sleep(RETRY_MS, this.#stop.signal).catch(() => undefined);
    }
  }

  async #sendOne(link: HubLink, entry: OutboxEntry, payload: Uint8Array): Promise<boolean> {
    try {
      await link.publish(entry.leaf, payload);
    } catch (error) {
      this.#props.logger.debug({ leaf: entry.leaf, reason: errorText(error) }, 'message not acknowledged');
      return false;
    }
    await this.#remove(entry);
    return true;
  }

  /** Undefined when the file is damaged or gone; then the entry is dropped. */
  async #read(entry: OutboxEntry): Promise<Uint8Array | undefined> {
    const payload = await readRegularFile(this.#path(entry), this.#bytesMax).then(unframe, () => undefined);
    if (payload) return payload;
    await this.#remove(entry);
    this.#dropped[entry.leaf] += 1;
    this.#log.error(
      entry.leaf,
      { leaf: entry.leaf, number: entry.number },
      'a damaged message of the outbox was dropped',
    );
    return undefined;
  }

  async #remove(entry: OutboxEntry): Promise<void> {
    const at = this.#entries.indexOf(entry);
    if (at < 0) return;
    this.#entries.splice(at, 1);
    this.#bytes -= entry.bytes;
    await rm(this.#path(entry), { force: true });
  }

  #path(entry: Pick<OutboxEntry, 'number' | 'leaf'>): string {
    return join(this.#props.folder, entryName(entry));
  }
}
