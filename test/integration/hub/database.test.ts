import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../../hub/db/database.ts';
import { type Migration, migrate, migrations } from '../../../hub/db/migrator.ts';
import { tempFolder } from '../../support/temp-folder.ts';

describe('openDatabase()', () => {
  it('flushes every commit, checks foreign keys and keeps its files private', async () => {
    const file = join(await tempFolder(), 'hub.db');
    const database = await openDatabase(file);
    const pragma = async (name: string) =>
      Object.values((await sql.raw(`pragma ${name}`).execute(database)).rows[0] as object)[0];
    expect(await pragma('journal_mode')).toBe('wal');
    expect(await pragma('synchronous')).toBe(2);
    expect(await pragma('foreign_keys')).toBe(1);
    for (const name of [file, `${file}-wal`]) expect((await stat(name)).mode & 0o777).toBe(0o600);
    await database.destroy();
  });

  it('keeps what was written when it is opened again, and runs no migration twice', async () => {
    const file = join(await tempFolder(), 'hub.db');
    const first = await openDatabase(file);
    await first.insertInto('model').values({ name: 'm', created_at: 1 }).execute();
    await first.destroy();
    const second = await openDatabase(file);
    expect(await second.selectFrom('model').selectAll().execute()).toEqual([{ name: 'm', created_at: 1 }]);
    await second.destroy();
  });

  it('refuses a schema that is newer than it knows and changes nothing', async () => {
    const file = join(await tempFolder(), 'hub.db');
    const database = await openDatabase(file);
    await database.updateTable('meta').set({ value: '999' }).where('key', '=', 'schema_version').execute();
    await database.destroy();
    await expect(openDatabase(file)).rejects.toMatchObject({
      code: 'data_folder_newer',
      details: { found: 999, newest: migrations.at(-1)!.number },
    });
  });
});

describe('migrate()', () => {
  it('leaves no trace of a migration that fails', async () => {
    const database = await openDatabase(':memory:');
    const failing: Migration = {
      number: 900,
      up: async (tx) => {
        await sql`create table half (a integer)`.execute(tx);
        throw new Error('cannot go on');
      },
    };
    await expect(migrate(database, [...migrations, failing])).rejects.toThrow('cannot go on');
    const tables = await sql<{ name: string }>`select name from sqlite_master`.execute(database);
    expect(tables.rows.map((row) => row.name)).not.toContain('half');
    await migrate(database);
    await database.destroy();
  });
});
