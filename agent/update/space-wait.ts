/** The wait of an update for free space on the disk: it ends as soon as there is enough, not when a time is over. */
import { isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';

/** A disk that was full without saying by how much: worth a try when so much more is free. */
const STEP_BYTES = 4 * limits.chunkBytes;
/** How often free space is checked. */
export const SPACE_LOOK_MS = 5_000;

export class SpaceWait {
  readonly #freeBytes: () => Promise<number>;
  #wanted: number | undefined;

  constructor(freeBytes: () => Promise<number>) {
    this.#freeBytes = freeBytes;
  }

  get isOn(): boolean {
    return this.#wanted !== undefined;
  }

  /** A step failed on `error`; any other than one of space ends the wait. */
  async failedOn(error: unknown): Promise<void> {
    this.#wanted = undefined;
    if (isAppError(error, 'not_enough_space')) this.#wanted = Number(error.details?.['bytesWanted']);
    if (isAppError(error, 'disk_full')) this.#wanted = (await this.#free()) + STEP_BYTES;
  }

  end(): void {
    this.#wanted = undefined;
  }

  /** Whether the missing space is free now. */
  async isOver(): Promise<boolean> {
    return this.#wanted !== undefined && (await this.#free()) >= this.#wanted;
  }

  #free(): Promise<number> {
    return this.#freeBytes().catch(() => 0);
  }
}
