/**
 * What models predicted, by request id, until the label comes: days later, after a restart, for a version that no longer
 * answers. Bounded in bytes and in age: segments are deleted whole, the oldest first.
 *
 * Keeping an answer costs no wait: it is written behind, a second later at most, so a crash of the agent loses the answers of
 * a second. That a label was taken is durable before the window that counts it is sent: no label counts twice, unless the disk takes nothing. What a power cut loses is
 * bounded by the next window, when the disk is made to keep what was written. On a full disk answers are kept in memory as far as a
 * segment holds, and the fault is there to be shown.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { asDiskError } from '../../platform/atomic-file.ts';
import { LimitedLog } from '../../platform/limited-log.ts';
import { openRegularFileToWrite } from '../../platform/regular-file.ts';
import { makeStateFolder } from '../../platform/state-folder.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { CountedVersion } from './observation.ts';
import {
  deleteSegments,
  type PredictionFolder,
  readSegment,
  segmentBytesMax,
  segmentNumbers,
} from './prediction-folder.ts';
import {
  answerBytes,
  answerPlace,
  answerRecord,
  encodeAnswer,
  type LabelPlace,
  labelRecord,
  type Prediction,
  readAnswer,
  readVersion,
  versionRecord,
} from './prediction-record.ts';
import { closedSegment, OpenSegment, type Segment, segmentName } from './prediction-segment.ts';

const WRITE_BEHIND_MS = 1_000;
const SEGMENTS = 8;
const SEGMENT_BYTES_MIN = 128 * 1024;
/** A record that would take a larger part of a segment is not kept. */
const RECORD_SHARE = 4;
/** Answers that are read for one id: hashes of others may be the same, by chance or because somebody wants a label to be slow. */
const CANDIDATES_MAX = 16;
/** Segments in memory that are full and not written yet. */
const UNWRITTEN_MAX = 1;

export interface PredictionStoreProps extends PredictionFolder {
  /** With 0 the latest answers are kept in memory alone. */
  readonly bytesMax: number;
  readonly ageMaxMs: number;
  readonly clock: Clock;
  /** Time that decides on ages, milliseconds since the epoch; that of `clock` when absent. */
  readonly now?: () => number;
}

/** An answer that a label is for. */
export interface StoredPrediction extends Prediction {
  readonly version: CountedVersion;
  readonly segment: Segment;
  /** Which of the segment. */
  readonly ordinal: number;
}

export class PredictionStore {
  readonly #props: PredictionStoreProps;
  readonly #log: LimitedLog;
  readonly #segmentBytes: number;
  /** Oldest first. */
  #closed: Segment[] = [];
  #unwritten: OpenSegment[] = [];
  /** Segments that were given up; part of them may be on the disk. */
  #givenUp: number[] = [];
  #open: OpenSegment;
  #loading: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #isWriteDue = false;
  #lost = 0;
  #fault: string | undefined;
  /** Versions whose names of classes are too long to be stored. */
  readonly #tooLarge = new WeakSet<CountedVersion>();
  readonly #stop = new AbortController();

  private constructor(props: PredictionStoreProps, open?: OpenSegment) {
    this.#props = props;
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => props.clock.monotonic() });
    this.#segmentBytes = segmentBytes(props.bytesMax);
    this.#open = open ?? new OpenSegment(1, this.#segmentBytes);
  }

  /** A store that a restart empties. */
  static inMemory(props: Omit<PredictionStoreProps, 'folder' | 'bytesMax'>): PredictionStore {
    return new PredictionStore({ ...props, folder: '', bytesMax: 0 });
  }

  /**
   * Opens what the last run left; never fails. Older segments are read behind, and a label waits for them. With a size of 0
   * what was left is deleted.
   */
  static async open(props: PredictionStoreProps): Promise<PredictionStore> {
    const numbers = await segmentNumbers(props);
    if (props.bytesMax === 0) {
      await deleteSegments(props, numbers);
      return PredictionStore.inMemory(props);
    }
    const labels: LabelPlace[] = [];
    const last = numbers.at(-1);
    const left = last === undefined ? undefined : await readSegment(props, last, labels);
    const bytesMax = segmentBytes(props.bytesMax);
    const mayGrow = left !== undefined && left.bytes.length < bytesMax;
    const open = mayGrow
      ? new OpenSegment(last!, bytesMax, left)
      : new OpenSegment((last ?? 0) + 1, bytesMax);
    const store = new PredictionStore(props, open);
    // The last one is read already, unless it is full and stays closed.
    store.#loading = store.#load(left && !mayGrow ? numbers : numbers.slice(0, -1), labels);
    return store;
  }

  /** Answers that a label can be joined to, as far as they are loaded. */
  get count(): number {
    return this.#all().reduce((sum, { index }) => sum + index.count, 0);
  }

  /** Answers since the start that were given up before they were on the disk. */
  get lost(): number {
    return this.#lost;
  }

  /** Why answers are not stored now; undefined when they are. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** When the oldest answer that is kept was given, milliseconds since the epoch. */
  get since(): number | undefined {
    const oldest = Math.min(...this.#all().map(({ index }) => index.oldest));
    const ageMin = this.#now() - this.#props.ageMaxMs;
    return Number.isFinite(oldest) ? Math.max(oldest, ageMin) : undefined;
  }

  /** Keeps an answer of a version with a label rule, unless it would take too much of a segment. */
  keep(version: CountedVersion, prediction: Prediction): void {
    const answer = encodeAnswer(prediction);
    const versionAt = this.#versionAt(version, answerBytes(answer));
    if (versionAt === undefined) return;
    const hash = hashOf(version.model, prediction.id);
    const at = this.#now();
    this.#open.index.add(hash, this.#open.append(answerRecord({ hash, versionAt, at }, answer)), at);
    this.#writeSoon();
  }

  /** The latest answer with this id. */
  async find(model: string, id: string): Promise<StoredPrediction | undefined> {
    await this.#loading;
    const hash = hashOf(model, id);
    let candidates = 0;
    for (const segment of this.#all().reverse()) {
      for (const ordinal of segment.index.find(hash)) {
        candidates += 1;
        if (candidates > CANDIDATES_MAX) return undefined;
        const found = await this.#read(segment, ordinal);
        if (found?.id !== id || found.version.model !== model) continue;
        return this.#now() - found.at > this.#props.ageMaxMs ? undefined : found;
      }
    }
    return undefined;
  }

  isLabelled({ segment, ordinal }: StoredPrediction): boolean {
    return segment.index.isLabelled(ordinal);
  }

  setLabelled({ segment, ordinal }: StoredPrediction): void {
    segment.index.setLabelled(ordinal);
    const record = labelRecord(segment.number, ordinal);
    if (!this.#open.hasSpaceFor(record.length)) this.#rotate();
    this.#open.append(record);
    this.#writeSoon();
  }

  /** Writes what is in memory alone, and with `isDurable` makes the disk keep it. Never fails; see `fault`. */
  flush({ isDurable = false }: { readonly isDurable?: boolean } = {}): Promise<void> {
    this.#isWriteDue = false;
    this.#writing = this.#writing.then(() => this.#write(isDurable));
    return this.#writing;
  }

  /** Writes everything; the store takes no more. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('the store was closed'));
    await this.flush({ isDurable: true });
  }

  #now(): number {
    const { now, clock } = this.#props;
    return now ? now() : clock.now();
  }

  get #isStored(): boolean {
    return this.#props.bytesMax > 0;
  }

  /** Oldest first. */
  #all(): Segment[] {
    return [...this.#closed, ...this.#unwritten, this.#open];
  }

  /** Where the version stands in the open segment, which then has space for `bytes` more; undefined when it gets none. */
  #versionAt(version: CountedVersion, bytes: number): number | undefined {
    const known = this.#open.versionAt(version);
    const bytesMax = this.#segmentBytes / RECORD_SHARE;
    if (bytes > bytesMax || this.#tooLarge.has(version)) return undefined;
    if (known !== undefined && this.#open.hasSpaceFor(bytes)) return known;
    const record = versionRecord(version);
    if (!record || record.length > bytesMax) {
      this.#tooLarge.add(version);
      const { model, version: name } = version;
      this.#props.logger.warn(
        { model, version: name },
        'answers take no labels: the names of classes are too long',
      );
      return undefined;
    }
    if (!this.#open.hasSpaceFor(record.length + bytes)) this.#rotate();
    return this.#open.versionAt(version) ?? this.#open.addVersion(version, record);
  }

  #rotate(): void {
    this.#unwritten.push(this.#open);
    this.#open = new OpenSegment(this.#open.number + 1, this.#segmentBytes);
    if (this.#unwritten.length <= UNWRITTEN_MAX) return;
    const given = this.#unwritten.shift()!;
    if (!this.#isStored) return;
    this.#lost += given.index.countFrom(given.written);
    if (given.written > 0) this.#closed.push(this.#closedSegment({ ...given, bytes: given.written }));
    else this.#givenUp.push(given.number);
  }

  async #read(
    segment: Segment,
    ordinal: number,
  ): Promise<(StoredPrediction & { readonly at: number }) | undefined> {
    try {
      const body = await segment.read(segment.index.placeOf(ordinal));
      const place = body && answerPlace(body);
      const version = place && (await segment.read(place.versionAt));
      if (!body || !version) return undefined;
      return { ...readAnswer(body), version: readVersion(version), at: place.at, segment, ordinal };
    } catch (error) {
      // It was deleted in the meantime, or somebody had hands on it.
      const fields = { segment: segment.number, reason: errorText(error) };
      this.#log.warn('', fields, 'a stored answer could not be read');
      return undefined;
    }
  }

  #writeSoon(): void {
    if (this.#isWriteDue || !this.#isStored) return;
    this.#isWriteDue = true;
    this.#props.clock.sleep(WRITE_BEHIND_MS, this.#stop.signal).then(
      () => this.flush(),
      () => undefined,
    );
  }

  async #write(isDurable: boolean): Promise<void> {
    if (!this.#isStored) return;
    await this.#loading;
    try {
      const { oldest } = this.#open.index;
      if (this.#now() - oldest > this.#props.ageMaxMs / SEGMENTS) this.#rotate();
      // A write that was cut short, or that was under way, has left a file that nothing else deletes.
      await deleteSegments(this.#props, this.#givenUp.splice(0));
      for (const segment of [...this.#unwritten]) {
        await this.#append(segment, true);
        const at = this.#unwritten.indexOf(segment);
        if (at === -1) continue;
        this.#unwritten.splice(at, 1);
        this.#closed.push(this.#closedSegment(segment));
      }
      await this.#append(this.#open, isDurable);
      await this.#dropOldest();
      this.#fault = undefined;
    } catch (error) {
      this.#fault = errorText(asDiskError(error, this.#props.folder));
      this.#log.error('', { reason: this.#fault }, 'answers could not be stored for later labels');
      this.#writeSoon();
    }
  }

  /** Goes on where the last write ended, also where that was cut short, or with all of it when the file is gone. */
  async #append(segment: OpenSegment, isDurable: boolean): Promise<void> {
    if (segment.isWritten && (!isDurable || segment.isDurable)) return;
    await makeStateFolder(this.#props.folder);
    const file = await openRegularFileToWrite(this.#pathOf(segment));
    try {
      const { size } = await file.stat();
      const content = segment.content;
      let at = size < segment.written ? 0 : segment.written;
      if (size > at) await file.truncate(at);
      while (at < content.length) {
        at += (await file.write(content, at, content.length - at, at)).bytesWritten;
      }
      if (isDurable) await file.datasync();
      segment.written = at;
      segment.isDurable = isDurable;
    } finally {
      await file.close();
    }
  }

  async #dropOldest(): Promise<void> {
    const { bytesMax, ageMaxMs } = this.#props;
    const isTooOld = ({ index }: Segment) => index.newest < this.#now() - ageMaxMs;
    const bytes = () => this.#closed.reduce((sum, segment) => sum + segment.bytes, this.#segmentBytes);
    while (this.#closed[0] && (bytes() > bytesMax || isTooOld(this.#closed[0]))) {
      await rm(this.#pathOf(this.#closed[0]), { force: true });
      this.#closed.shift();
    }
  }

  async #load(numbers: readonly number[], labels: LabelPlace[]): Promise<void> {
    const closed: Segment[] = [];
    for (const number of numbers) {
      const found = await readSegment(this.#props, number, labels);
      if (found) {
        const { bytes, index } = found;
        closed.push(this.#closedSegment({ number, index, bytes: bytes.length }));
      }
      await nextTurn();
    }
    this.#closed = [...closed, ...this.#closed];
    const indexes = new Map(this.#all().map(({ number, index }) => [number, index]));
    for (const { segment, ordinal } of labels) indexes.get(segment)?.setLabelled(ordinal);
  }

  #closedSegment({ number, index, bytes }: Pick<Segment, 'number' | 'index' | 'bytes'>): Segment {
    return closedSegment(this.#pathOf({ number }), { number, index, bytes });
  }

  #pathOf({ number }: Pick<Segment, 'number'>): string {
    return join(this.#props.folder, segmentName(number));
  }
}

function segmentBytes(bytesMax: number): number {
  return Math.min(segmentBytesMax, Math.max(SEGMENT_BYTES_MIN, Math.floor(bytesMax / SEGMENTS)));
}

function hashOf(model: string, id: string): number {
  return crc32(`${model}\n${id}`);
}
