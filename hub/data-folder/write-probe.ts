/** A write of each kind the hub does, to find out whether disk and database accept one. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { freeBytes } from '../../platform/free-bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import { blobsFolder } from './inventory.ts';

/** Random, so that no file system can compress it. */
const TRIAL_BYTES = 4096;

/** Throws the error of disk or database. The database alone is not enough: on a full disk its journal may still have free space. */
export async function tryWrite(folder: string, database: Database, at: number): Promise<void> {
  const value = String(at);
  await database
    .insertInto('meta')
    .values({ key: 'write_tried', value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
  // Queried rather than written: it is tried for as long as readiness is asked for.
  if ((await freeBytes(folder)) < limits.chunkBytes)
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  await makePrivateFolder(join(folder, blobsFolder));
  const file = join(folder, blobsFolder, 'write-trial');
  await writeFileAtomic(file, randomBytes(TRIAL_BYTES));
  await rm(file);
}
