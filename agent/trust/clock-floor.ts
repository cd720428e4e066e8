/**
 * Time as trust sees it: the system clock, but never before the latest time a verified statement has proved. A device
 * whose clock was reset to 1970 still sees expired metadata as expired; a restart does not forget.
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
  #floorMs: number;

  private constructor(file: string, clock: Pick<Clock, 'now'>, floorMs: number) {
    this.#file = file;
    this.#clock = clock;
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
    return new ClockFloor(file, clock, floorMs);
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return Math.max(this.#clock.now(), this.#floorMs);
  }

  /** Raises the floor to a time that a verified statement proves; durable when resolved. */
  async raise(ms: number): Promise<void> {
    if (!Number.isSafeInteger(ms) || ms <= this.#floorMs) return;
    this.#floorMs = ms;
    await writeFileAtomic(this.#file, JSON.stringify({ v: 1, floorMs: ms }));
  }
}
