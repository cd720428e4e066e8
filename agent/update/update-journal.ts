/**
 * Update records on disk, one file a model. A record is replaced atomically, so a crash leaves the state before or the
 * one after. A record that cannot be read is put aside under another name and counts as absent: the device then runs
 * its last-known-good version, which the slots know, and follows the hub's next wish (promise P3: never a boot loop).
 */
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { parseUpdateRecord, type UpdateRecord } from './update-record.ts';

export class UpdateJournal {
  readonly #folder: string;
  readonly #logger: Logger;

  readonly #isReadOnly: boolean;

  /** `isReadOnly`: leaves an unreadable record where it is, for those who only look. */
  constructor(props: { readonly folder: string; readonly logger: Logger; readonly isReadOnly?: boolean }) {
    this.#folder = props.folder;
    this.#isReadOnly = props.isReadOnly ?? false;
    this.#logger = props.logger;
  }

  /** Models that have a record. Makes the folder when absent. */
  async models(): Promise<readonly string[]> {
    if (!this.#isReadOnly) await makePrivateFolder(this.#folder);
    const names = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
  }

  async read(model: string): Promise<UpdateRecord | undefined> {
    const path = this.#pathOf(model);
    try {
      return parseUpdateRecord(await readFile(path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      this.#logger.error(
        { model, reason: errorText(error) },
        'update journal is unreadable and was put aside',
      );
      if (!this.#isReadOnly) await rename(path, `${path}.unreadable`).catch(() => undefined);
      return undefined;
    }
  }

  /** Durable when resolved. Throws `disk_full`. */
  async write(record: UpdateRecord): Promise<void> {
    await writeFileAtomic(this.#pathOf(record.model), JSON.stringify(record));
  }

  #pathOf(model: string): string {
    return join(this.#folder, `${model}.json`);
  }
}
