/** A write of each kind the hub does, to find out whether disk and database take one. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { freeBytes } from '../../platform/free-bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import { blobsFolder } from './inventory.ts';

/** Random, so that no file system stores it in less room. */
const TRIAL_BYTES = 4096;

/** Throws what disk or database say. The database alone would not do: on a full disk its journal may still have room. */
export async function tryWrite(folder: string, database: Database, at: number): Promise<void> {
  const value = String(at);
  await database
    .insertInto('meta')
    .values({ key: 'write_tried', value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
  // Asked for rather than written: it is tried for as long as somebody asks whether the hub is ready.
  if ((await freeBytes(folder)) < limits.chunkBytes)
    throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
  await makePrivateFolder(join(folder, blobsFolder));
  const file = join(folder, blobsFolder, 'write-trial');
  await writeFileAtomic(file, randomBytes(TRIAL_BYTES));
  await rm(file);
}
