/**
 * Room set aside for small writes that must not fail because something else filled the disk: a file of that size, deleted
 * when a write finds no room, and made again once the disk has some. Whoever is faster may take the room that was freed.
 */
import { randomBytes } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { isAppError } from '../shared/base/app-error.ts';
import { asDiskError, writeFileAtomic } from './atomic-file.ts';

/** Runs `write`, and once more after making room for it when the disk was full; it must be safe to run twice. */
export type WithRoom = <T>(write: () => Promise<T>) => Promise<T>;

export const withoutReserve: WithRoom = (write) => write();

export class DiskReserve {
  readonly #file: string;
  readonly #bytes: number;

  constructor(file: string, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Sets the room aside when it is not. Throws `disk_full`. */
  async make(): Promise<void> {
    const bytes = await stat(this.#file).then(({ size }) => size, isAbsent);
    // Random, so that no file system stores it in less room.
    if (bytes < this.#bytes) await writeFileAtomic(this.#file, randomBytes(this.#bytes));
  }

  readonly withRoom: WithRoom = async (write) => {
    try {
      return await write();
    } catch (error) {
      if (!isAppError(asDiskError(error, this.#file), 'disk_full') || !(await this.#free())) throw error;
      return write();
    }
  };

  /** Whether there was something to free. */
  #free(): Promise<boolean> {
    return rm(this.#file).then(
      () => true,
      () => false,
    );
  }
}

function isAbsent(error: NodeJS.ErrnoException): number {
  if (error.code === 'ENOENT') return 0;
  throw error;
}
