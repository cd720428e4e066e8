/**
 * Update records on disk, one file a model. A record is replaced atomically, so a crash leaves the state before or the
 * one after. A record that cannot be read is put aside under another name and counts as absent: the device then runs
 * its last-known-good version, which the slots know, and follows the next version that the hub wants (promise P3: never a boot loop).
 */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { type WithFreeSpace, withoutReserve } from '../../platform/disk-reserve.ts';
import type { Logger } from '../../platform/logger.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { listState, makeStateFolder } from '../../platform/state-folder.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { ModelName } from '../../shared/base/names.ts';
import { parser } from '../../shared/base/parse.ts';
import { parseUpdateRecord, type UpdateRecord, updateRecordBytesMax } from './update-record.ts';

const ENDING = '.json';
const parseModelName = parser(ModelName, 'name of an update journal');

export interface UpdateJournalProps {
  readonly folder: string;
  readonly logger: Logger;
  /** Leaves an unreadable record where it is, for those who only look. */
  readonly isReadOnly?: boolean;
  /** Frees space for what must be written on a full disk. */
  readonly withFreeSpace?: WithFreeSpace | undefined;
}

export class UpdateJournal {
  readonly #folder: string;
  readonly #logger: Logger;

  readonly #isReadOnly: boolean;
  readonly #withFreeSpace: WithFreeSpace;

  constructor(props: UpdateJournalProps) {
    this.#folder = props.folder;
    this.#isReadOnly = props.isReadOnly ?? false;
    this.#logger = props.logger;
    this.#withFreeSpace = props.withFreeSpace ?? withoutReserve;
  }

  /** Models that have a record. Makes the folder when absent. */
  async models(): Promise<readonly string[]> {
    if (!this.#isReadOnly) await makeStateFolder(this.#folder);
    const names = await listState(this.#folder, 'files');
    return names.filter(isJournalName).map((name) => name.slice(0, -ENDING.length));
  }

  async read(model: string): Promise<UpdateRecord | undefined> {
    const path = this.#pathOf(model);
    try {
      const record = parseUpdateRecord(await readRegularFile(path, updateRecordBytesMax));
      if (record.model !== model) throw new Error(`it is the journal of "${record.model}"`);
      return record;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      this.#logger.error(
        { model, reason: errorText(error) },
        'an update journal was unreadable and was moved aside',
      );
      if (!this.#isReadOnly) await rename(path, `${path}.unreadable`).catch(() => undefined);
      return undefined;
    }
  }

  /** Durable when resolved. Throws `disk_full`. */
  async write(record: UpdateRecord): Promise<void> {
    await this.#withFreeSpace(() => writeFileAtomic(this.#pathOf(record.model), JSON.stringify(record)));
  }

  async remove(model: string): Promise<void> {
    await rm(this.#pathOf(model), { force: true });
  }

  #pathOf(model: string): string {
    return join(this.#folder, `${model}${ENDING}`);
  }
}

/** Any other file in the folder is somebody else's. */
export function isJournalName(name: string): boolean {
  if (!name.endsWith(ENDING)) return false;
  try {
    parseModelName(name.slice(0, -ENDING.length));
    return true;
  } catch {
    return false;
  }
}
