/**
 * A segment of stored predictions: a file of records that is deleted as a whole. The newest grows in memory and is written
 * behind; of the others only an index is in memory, eight bytes an answer.
 */
import { openRegularFile } from '../../platform/regular-file.ts';
import {
  answerPlace,
  frameBytes,
  type LabelPlace,
  labelPlace,
  recordAt,
  scanRecords,
  segmentHead,
} from './prediction-record.ts';

const NAME = /^(\d{8})\.predictions$/;
/** One that no device can come to would leave none for what follows. */
const NUMBER_MAX = 90_000_000;
const ANSWERS_FIRST = 64;

export function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.predictions`;
}

/** Undefined for any other file. */
export function parseSegmentName(name: string): number | undefined {
  const number = Number(NAME.exec(name)?.[1]);
  return number < NUMBER_MAX ? number : undefined;
}

/** Where the answers of a segment stand, by a hash of model and request id, and which of them have their label. */
export class PredictionIndex {
  #hashes = new Uint32Array(ANSWERS_FIRST);
  #places = new Uint32Array(ANSWERS_FIRST);
  #labelled = new Uint8Array(ANSWERS_FIRST);
  #count = 0;
  /** Times of the oldest and the newest answer, milliseconds since the epoch. */
  oldest = Number.POSITIVE_INFINITY;
  newest = Number.NEGATIVE_INFINITY;

  get count(): number {
    return this.#count;
  }

  add(hash: number, place: number, at: number): void {
    if (this.#count === this.#hashes.length) this.#resize(2 * this.#count);
    this.#hashes[this.#count] = hash;
    this.#places[this.#count] = place;
    this.#count += 1;
    this.oldest = Math.min(this.oldest, at);
    this.newest = Math.max(this.newest, at);
  }

  /** Answers that may be the one, the newest first. */
  *find(hash: number): Generator<number> {
    let ordinal = this.#hashes.lastIndexOf(hash, this.#count - 1);
    while (this.#count > 0 && ordinal !== -1) {
      yield ordinal;
      if (ordinal === 0) return;
      ordinal = this.#hashes.lastIndexOf(hash, ordinal - 1);
    }
  }

  placeOf(ordinal: number): number {
    return this.#places[ordinal]!;
  }

  isLabelled(ordinal: number): boolean {
    return this.#labelled[ordinal] === 1;
  }

  /** How many stand at `place` or behind it. */
  countFrom(place: number): number {
    return this.#places.subarray(0, this.#count).filter((one) => one >= place).length;
  }

  /** Ignores one that there is not. */
  setLabelled(ordinal: number): void {
    if (ordinal < this.#count) this.#labelled[ordinal] = 1;
  }

  /** To be called when no more will follow. */
  trim(): void {
    this.#resize(this.#count);
  }

  #resize(length: number): void {
    const grown = <T extends Uint32Array | Uint8Array>(from: T, to: T): T => {
      to.set(from.subarray(0, this.#count));
      return to;
    };
    this.#hashes = grown(this.#hashes, new Uint32Array(length));
    this.#places = grown(this.#places, new Uint32Array(length));
    this.#labelled = grown(this.#labelled, new Uint8Array(length));
  }
}

export interface Segment {
  readonly number: number;
  readonly index: PredictionIndex;
  /** Its size. */
  readonly bytes: number;
  /** The body of the record at `at`; undefined when it is damaged. Throws when the file cannot be read. */
  read(at: number): Promise<Buffer | undefined>;
}

/** Segment that is complete and on the disk. */
export function closedSegment(
  path: string,
  { number, index, bytes }: Pick<Segment, 'number' | 'index' | 'bytes'>,
): Segment {
  index.trim();
  return {
    number,
    index,
    bytes,
    async read(at) {
      const file = await openRegularFile(path);
      try {
        const head = Buffer.alloc(frameBytes);
        await file.read(head, 0, frameBytes, at);
        const length = head.readUInt32BE();
        if (at + frameBytes + length > bytes) return undefined;
        const record = Buffer.concat([head, Buffer.alloc(length)]);
        await file.read(record, frameBytes, length, at + frameBytes);
        return recordAt(record, 0);
      } finally {
        await file.close();
      }
    },
  };
}

/** Segment that takes records; all of it is in memory, and `written` bytes of it are on the disk. */
export class OpenSegment implements Segment {
  readonly number: number;
  readonly index: PredictionIndex;
  readonly #buffer: Buffer;
  #end: number;
  written: number;
  /** Whether the disk was made to keep what is written. */
  isDurable = false;
  readonly #versions = new Map<object, number>();

  /** `left`: the whole records that the last run wrote, and their index. */
  constructor(
    number: number,
    bytesMax: number,
    left?: { readonly bytes: Buffer; readonly index: PredictionIndex },
  ) {
    this.number = number;
    this.index = left?.index ?? new PredictionIndex();
    // Pages of it that are not used yet take no memory.
    this.#buffer = Buffer.allocUnsafeSlow(bytesMax);
    this.#end = (left?.bytes ?? segmentHead).copy(this.#buffer);
    this.written = left ? this.#end : 0;
  }

  get bytes(): number {
    return this.#end;
  }

  get content(): Buffer {
    return this.#buffer.subarray(0, this.#end);
  }

  get isWritten(): boolean {
    return this.written === this.#end;
  }

  hasSpaceFor(bytes: number): boolean {
    return this.#end + bytes <= this.#buffer.length;
  }

  /** Where the version stands in this segment; undefined when it does not yet. */
  versionAt(version: object): number | undefined {
    return this.#versions.get(version);
  }

  addVersion(version: object, record: Buffer): number {
    const at = this.append(record);
    this.#versions.set(version, at);
    return at;
  }

  /** Returns where the record stands. */
  append(record: Buffer): number {
    const at = this.#end;
    record.copy(this.#buffer, at);
    this.#end += record.length;
    return at;
  }

  async read(at: number): Promise<Buffer | undefined> {
    return recordAt(this.content, at);
  }
}

/** Indexes the answers of a segment, and names those that got a label. Returns where its whole records end; 0 when it is no segment. */
export function indexRecords(
  bytes: Buffer,
  index: PredictionIndex,
  onLabel: (place: LabelPlace) => void,
): number {
  return scanRecords(bytes, (body, at) => {
    const answer = answerPlace(body);
    if (answer) index.add(answer.hash, at, answer.at);
    const label = labelPlace(body);
    if (label) onLabel(label);
  });
}
