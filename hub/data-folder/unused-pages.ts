/** Returns space that the database file no longer uses to the disk. */
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import { compactOpen, type FileUse, fileUse, givePagesBack } from '../db/database-file.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';

const nothing: Removed = { count: 0, bytes: 0, isMore: false };

export class UnusedPages implements Expirable {
  readonly kind = 'unused-pages';
  readonly rule = `of the database file, beyond ${Math.round(limits.databasePagesUnusedShare * 100)} % of it`;
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(): Promise<Found> {
    const use = await fileUse(this.#database);
    const count = surplusOf(use);
    return { count, bytes: count * use.pageBytes, isMore: false };
  }

  async removeSome(): Promise<Removed> {
    const use = await fileUse(this.#database);
    const surplus = surplusOf(use);
    if (surplus === 0) return nothing;
    await givePagesBack(this.#database, Math.min(surplus, limits.databasePagesFreedPerPassMax));
    const count = use.pages - (await fileUse(this.#database)).pages;
    return { count, bytes: count * use.pageBytes, isMore: count > 0 && count < surplus };
  }
}

/**
 * At a start: a database that is older than files that shrink is rewritten if that is quickly done; otherwise the log names the
 * command that does it. A failure is logged and changes nothing.
 */
export async function makeShrinkable(
  database: Database,
  logger: Logger,
  bytesMax: number = limits.databaseCompactedAtStartBytesMax,
): Promise<void> {
  const use = await fileUse(database);
  if (use.canShrink) return;
  const bytes = use.pages * use.pageBytes;
  if (bytes > bytesMax) {
    const details = { size: formatBytes(bytes), unused: formatBytes(use.unused * use.pageBytes) };
    logger.warn(details, 'the database file does not shrink until "modelfleet-hub compact" has run once');
    return;
  }
  try {
    await compactOpen(database);
  } catch (error) {
    logger.warn({ reason: errorText(error) }, 'the database file could not be changed to one that shrinks');
  }
}

/** Unused pages beyond those that are left for what is stored next. */
function surplusOf({ pages, unused, canShrink }: FileUse): number {
  if (!canShrink) return 0;
  const kept = Math.max(limits.databasePagesUnusedMin, Math.floor(pages * limits.databasePagesUnusedShare));
  return Math.max(0, unused - kept);
}
