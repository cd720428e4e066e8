/**
 * Space reserved for small writes that must not fail because something else filled the disk: a file of that size, deleted
 * when a write finds no space, and created again once the disk has some. Another process may take the space that was freed.
 */
import { randomBytes } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { isAppError } from '../shared/base/app-error.ts';
import { asDiskError, writeFileAtomic } from './atomic-file.ts';

/** Runs `write`, and once more after freeing space for it when the disk was full; it must be safe to run twice. */
export type WithFreeSpace = <T>(write: () => Promise<T>) => Promise<T>;

export const withoutReserve: WithFreeSpace = (write) => write();

export class DiskReserve {
  readonly #file: string;
  readonly #bytes: number;

  constructor(file: string, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Reserves the space when it is not reserved. Throws `disk_full`. */
  async make(): Promise<void> {
    const bytes = await stat(this.#file).then(({ size }) => size, isAbsent);
    // Random, so that no file system stores it in less space.
    if (bytes < this.#bytes) await writeFileAtomic(this.#file, randomBytes(this.#bytes));
  }

  readonly withFreeSpace: WithFreeSpace = async (write) => {
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
