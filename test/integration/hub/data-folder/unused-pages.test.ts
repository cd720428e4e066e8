import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { sql } from 'kysely';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { copyDatabaseTo } from '../../../../hub/backup/database-copy.ts';
import { makeShrinkable, UnusedPages } from '../../../../hub/data-folder/unused-pages.ts';
import { openDatabase } from '../../../../hub/db/database.ts';
import { compactFile, fileUse } from '../../../../hub/db/database-file.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const ROWS = 8_000;
const silent = pino({ level: 'silent' });

/** A database whose file has some 30 MB of unused pages. */
async function emptied({ isOld = false } = {}) {
  const file = join(await tempFolder(), 'hub.db');
  // A file with a table stays as it is in this respect.
  if (isOld) new BetterSqlite3(file).exec('create table before (x)').exec('drop table before').close();
  const database = await openDatabase(file);
  onTestFinished(() => database.destroy());
  await sql`insert into telemetry_bucket
    with recursive n(value) as (select 1 union all select value + 1 from n where value < ${ROWS})
    select 'dev', 'air', '1.0.0', value, zeroblob(3500) from n`.execute(database);
  await sql`delete from telemetry_bucket where bucket_at <> 4000`.execute(database);
  const bytes = async () => {
    await sql`pragma wal_checkpoint(TRUNCATE)`.execute(database);
    return (await stat(file)).size;
  };
  return { file, database, bytes };
}

describe('the database file', () => {
  it('returns unused pages to the disk, some at a time, and keeps some for later writes', async () => {
    const { database, bytes } = await emptied();
    const unusedPages = new UnusedPages(database);
    expect(await bytes()).toBeGreaterThan(ROWS * 3_500);
    const { count } = await unusedPages.find();
    expect(count).toBeGreaterThan(2_000);
    const pass = await unusedPages.removeSome();
    expect(pass.isMore).toBe(true);
    // With the pages that listed those.
    expect(Math.abs(pass.count - limits.databasePagesFreedPerPassMax)).toBeLessThan(5);
    while ((await unusedPages.removeSome()).isMore);
    const use = await fileUse(database);
    expect(use.unused).toBe(limits.databasePagesUnusedMin);
    expect(await bytes()).toBe(use.pages * use.pageBytes);
    expect(await bytes()).toBeLessThan(18_000_000);
    expect(await unusedPages.find()).toMatchObject({ count: 0 });
    expect((await database.selectFrom('telemetry_bucket').select('bucket_at').execute())[0]).toEqual({
      bucket_at: 4000,
    });
  });

  it('that is older is made one that shrinks at a start, if that is quickly done; otherwise the log names the command', async () => {
    const { database, bytes } = await emptied({ isOld: true });
    expect((await fileUse(database)).canShrink).toBe(false);
    expect(await new UnusedPages(database).removeSome()).toMatchObject({ count: 0, isMore: false });
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    await makeShrinkable(database, logger, 1_000_000);
    expect(lines.join()).toContain('modelfleet-hub compact');
    expect((await fileUse(database)).canShrink).toBe(false);
    await makeShrinkable(database, silent);
    expect((await fileUse(database)).canShrink).toBe(true);
    expect(await bytes()).toBeLessThan(1_000_000);
  });

  it('that is older is compacted while no hub runs, and shrinks from then on', async () => {
    const { file, database } = await emptied({ isOld: true });
    await database.destroy();
    compactFile(file);
    expect((await stat(file)).size).toBeLessThan(1_000_000);
    const again = await openDatabase(file);
    onTestFinished(() => again.destroy());
    expect((await fileUse(again)).canShrink).toBe(true);
    expect(await again.selectFrom('telemetry_bucket').select('bucket_at').execute()).toHaveLength(1);
  });

  it('that was copied into a backup can shrink, also when the one it was copied from cannot', async () => {
    const { file, database } = await emptied({ isOld: true });
    const to = `${file}.copy`;
    await copyDatabaseTo(file, to);
    const copy = await openDatabase(to);
    onTestFinished(() => copy.destroy());
    expect((await fileUse(copy)).canShrink).toBe(true);
    expect((await fileUse(database)).canShrink).toBe(false);
  });

  it('cannot be compacted when it is none', async () => {
    const file = join(await tempFolder(), 'none.db');
    expect(() => compactFile(file)).toThrow(expect.objectContaining({ code: expect.any(String) }));
  });
});
