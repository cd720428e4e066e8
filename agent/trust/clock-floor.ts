/**
 * Time as trust sees it: the system clock, but never before the time that the newest verified statement has proved. A device
 * whose clock was reset to 1970 still sees expired metadata as expired; a restart does not forget. The newest statement is the one
 * with the highest version, not the latest time: when the hub's clock was ahead for a while, its next statement corrects that.
 */
import { Type } from 'typebox';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { jsonParser } from '../../shared/base/parse.ts';

const FILE_BYTES_MAX = 1024;
const parseFloor = jsonParser(
  Type.Object({ v: Type.Literal(1), floorMs: Type.Integer({ minimum: 0, maximum: 8.64e15 }) }),
  'clock floor',
  FILE_BYTES_MAX,
);

export class ClockFloor {
  readonly #file: string;
  readonly #clock: Pick<Clock, 'now'>;
  /** Known without statements: the device was enrolled then. */
  readonly #lowestMs: number;
  #floorMs: number;

  private constructor(file: string, clock: Pick<Clock, 'now'>, lowestMs: number, floorMs: number) {
    this.#file = file;
    this.#clock = clock;
    this.#lowestMs = lowestMs;
    this.#floorMs = floorMs;
  }

  /**
   * A file that does not load counts as none: the floor rises again with the next verified statement. `provenMs` is
   * what is known without it.
   */
  static async open(file: string, clock: Pick<Clock, 'now'>, provenMs = 0): Promise<ClockFloor> {
    let floorMs = provenMs;
    try {
      floorMs = Math.max(provenMs, parseFloor(await readRegularFile(file, FILE_BYTES_MAX)).floorMs);
    } catch {
      // Absent on first start, or damaged.
    }
    return new ClockFloor(file, clock, provenMs, floorMs);
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return Math.max(this.#clock.now(), this.#floorMs);
  }

  /**
   * The time at which a statement is judged that says it was issued at `issuedMs` and is newer than all before, as far as it can be
   * believed: its signature is checked at that time. It may be earlier than `now`, never earlier than the system clock.
   */
  timeOfNewer(issuedMs: number): number {
    return Math.max(this.#clock.now(), Math.min(this.#floorMs, Math.max(issuedMs, this.#lowestMs)));
  }

  /** Raises the floor to a time that a verified statement proves; durable when resolved. */
  async raise(ms: number): Promise<void> {
    if (ms > this.#floorMs) await this.follow(ms);
  }

  /** Sets the floor to the time of a verified statement that is newer than all before it, be it earlier; durable when resolved. */
  async follow(ms: number): Promise<void> {
    const floorMs = Math.max(ms, this.#lowestMs);
    if (!Number.isSafeInteger(floorMs) || floorMs === this.#floorMs) return;
    this.#floorMs = floorMs;
    await writeFileAtomic(this.#file, JSON.stringify({ v: 1, floorMs }));
  }

  /** A person says that the system clock is right: what statements have proved is forgotten. Returns the time from then on. */
  async reset(): Promise<number> {
    await this.follow(this.#lowestMs);
    return this.now();
  }
}
