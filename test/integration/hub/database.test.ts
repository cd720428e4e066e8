import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { Kysely, SqliteDialect, sql } from 'kysely';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDatabase } from '../../../hub/db/database.ts';
import { type Migration, migrate, migrations } from '../../../hub/db/migrator.ts';
import type { Tables } from '../../../hub/db/tables.ts';
import { limits } from '../../../shared/base/limits.ts';
import { deviceRow } from '../../support/device-row.ts';
import { countTurns } from '../../support/loop-turns.ts';
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

  it('gives back the room that the log beside it took while somebody read for long, as a backup does', async () => {
    const file = join(await tempFolder(), 'hub.db');
    const database = await openDatabase(file);
    onTestFinished(() => database.destroy());
    const reader = new BetterSqlite3(file, { readonly: true });
    onTestFinished(() => void reader.close());
    const write = (value: string) =>
      database.updateTable('meta').set({ value }).where('key', '=', 'test').execute();
    await database.insertInto('meta').values({ key: 'test', value: '' }).execute();
    const logBytes = async () => (await stat(`${file}-wal`)).size;
    reader.exec('BEGIN');
    reader.prepare('SELECT * FROM meta').all();
    // Pages that stay as they are would not be written.
    for (let n = 0; n < 40; n += 1) await write(String(n % 10).repeat(1024 * 1024));
    expect(await logBytes()).toBeGreaterThan(2 * limits.databaseLogBytesKeptMax);
    reader.exec('COMMIT');
    // The first finds the log free and writes it back, the next one begins it anew.
    for (let n = 0; n < 3; n += 1) await write(`small ${n}`);
    expect(await logBytes()).toBeLessThanOrEqual(limits.databaseLogBytesKeptMax);
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

describe('the one connection', () => {
  it('serves who waits in the order they came', async () => {
    const database = await openDatabase(':memory:');
    onTestFinished(() => database.destroy());
    const served: number[] = [];
    await Promise.all(
      Array.from({ length: 2_000 }, async (_, n) => {
        await database
          .insertInto('model')
          .values({ name: `m-${n}`, created_at: n })
          .execute();
        served.push(n);
      }),
    );
    expect(served).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
  });

  it.each([
    ['one after the other', 1],
    ['side by side', 20],
  ])('lets the event loop go on while statements follow each other %s', async (_, users) => {
    const database = await openDatabase(':memory:');
    onTestFinished(() => database.destroy());
    const turns = await countTurns(() =>
      Promise.all(
        Array.from({ length: users }, async () => {
          for (let n = 0; n < 10_000 / users; n += 1) {
            await database.selectFrom('meta').selectAll().execute();
          }
        }),
      ),
    );
    expect(turns).toBeGreaterThan(5);
  });

  it('waits for another process that has locked the database, and holds up nothing else', async () => {
    const file = join(await tempFolder(), 'hub.db');
    const database = await openDatabase(file);
    onTestFinished(() => database.destroy());
    const other = new BetterSqlite3(file);
    onTestFinished(() => void other.close());
    other.exec('begin immediate');
    const writing = Promise.all([
      database.insertInto('model').values({ name: 'a', created_at: 1 }).execute(),
      database
        .transaction()
        .execute((tx) => tx.insertInto('model').values({ name: 'b', created_at: 1 }).execute()),
    ]);
    // The loop goes on: this would not come before the lock is given up.
    await new Promise((resolve) => setTimeout(resolve, 50));
    other.exec('commit');
    await writing;
    expect(await database.selectFrom('model').select('name').orderBy('name').execute()).toEqual([
      { name: 'a' },
      { name: 'b' },
    ]);
  });
});

describe('a database that another process has locked for long', () => {
  it('is waited for once: who comes later fails at once, until a write succeeds', async () => {
    const file = join(await tempFolder(), 'hub.db');
    const database = await openDatabase(file);
    onTestFinished(() => database.destroy());
    const other = new BetterSqlite3(file);
    onTestFinished(() => void other.close());
    const write = (name: string) => database.insertInto('model').values({ name, created_at: 1 }).execute();
    const names = () => database.selectFrom('model').select('name').orderBy('name').execute();
    const isLocked = { code: 'SQLITE_BUSY' };
    // Time passes only when the test lets it: whoever waits without that waits for ever.
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());

    other.exec('begin immediate');
    const waiting = write('a');
    // Is served after the first try of the write.
    await names();
    vi.advanceTimersByTime(limits.databaseLockedMsMax + 1);
    await expect(waiting).rejects.toMatchObject(isLocked);
    await expect(write('b')).rejects.toMatchObject(isLocked);
    // Reading goes on all the time, and does not show that the lock has ended.
    expect(await names()).toEqual([]);
    await expect(database.transaction().execute(async () => 'begun')).rejects.toMatchObject(isLocked);
    other.exec('commit');
    await write('c');

    other.exec('begin immediate');
    const waitingAgain = write('d');
    await names();
    other.exec('commit');
    await waitingAgain;
    expect(await names()).toEqual([{ name: 'c' }, { name: 'd' }]);
  });

  it('is waited for again when nobody has met a lock for long, though nothing was written since the last one', async () => {
    const file = join(await tempFolder(), 'hub.db');
    const database = await openDatabase(file);
    onTestFinished(() => database.destroy());
    const other = new BetterSqlite3(file);
    onTestFinished(() => void other.close());
    const write = (name: string) => database.insertInto('model').values({ name, created_at: 1 }).execute();
    const names = () => database.selectFrom('model').select('name').execute();
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());

    other.exec('begin immediate');
    const refused = write('a');
    await names();
    vi.advanceTimersByTime(limits.databaseLockedMsMax + 1);
    await expect(refused).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
    other.exec('commit');
    vi.advanceTimersByTime(2 * limits.databaseLockedMsMax + 1);
    other.exec('begin immediate');
    const waiting = write('b');
    await names();
    other.exec('commit');
    await waiting;
    expect(await names()).toEqual([{ name: 'b' }]);
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

  it('moves buckets of telemetry into the table that takes less, and knows from then on what they take', async () => {
    const sqlite = new BetterSqlite3(':memory:');
    const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
    onTestFinished(() => old.destroy());
    await migrate(
      old,
      migrations.filter(({ number }) => number < 15),
    );
    const insert = sqlite.prepare('insert into telemetry_bucket values (?, ?, ?, ?, ?)');
    for (const at of [120_000, 60_000]) insert.run('dev', 'air', '1.0.0', at, Buffer.alloc(at / 1_000));
    await migrate(old);
    const rows = await old.selectFrom('telemetry_bucket').selectAll().orderBy('bucket_at').execute();
    expect(rows.map(({ bucket_at, body }) => [bucket_at, body.byteLength])).toEqual([
      [60_000, 60],
      [120_000, 120],
    ]);
    expect(await old.selectFrom('telemetry_size').select('bytes').execute()).toEqual([{ bytes: 780 }]);
    expect(sqlite.pragma('foreign_key_check')).toEqual([]);
  });

  it('finds the telemetry of devices that were removed before, and gives evidence that was there a revision', async () => {
    const sqlite = new BetterSqlite3(':memory:');
    const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
    onTestFinished(() => old.destroy());
    await migrate(
      old,
      migrations.filter(({ number }) => number < 16),
    );
    const devices = [{ ...deviceRow('gone'), revoked_at: 7 }, deviceRow('here')];
    await old.insertInto('device').values(devices).execute();
    sqlite.exec(`insert into rollout values ('r-1', 'air', '1.0.0', '{}', '{}', 'running', 1, 'test', 1)`);
    for (const device of ['gone', 'here']) {
      sqlite.exec(`insert into telemetry_evidence values ('r-1', '${device}', 1, 0, 1, x'00')`);
    }
    await migrate(old);
    expect(await old.selectFrom('telemetry_removed').selectAll().execute()).toEqual([
      { device_id: 'gone', removed_at: 7 },
    ]);
    const rows = await old.selectFrom('telemetry_evidence').select('revision').orderBy('revision').execute();
    expect(rows).toEqual([{ revision: 1 }, { revision: 2 }]);
  });

  it('gives stored rollouts and blobs the names of today, so that a folder of an older hub goes on', async () => {
    const sqlite = new BetterSqlite3(':memory:');
    const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
    onTestFinished(() => old.destroy());
    await migrate(
      old,
      migrations.filter(({ number }) => number < 19),
    );
    const outcomes = ['back', 'ran-before', 'no-way', 'taken-over', 'not-told', 'refused', null];
    const fault = '{"code":"version_parked","message":"waits","retry":"later"}';
    sqlite.exec(
      `insert into rollout values ('r-1', 'air', '1.0.0', '{}', '{"ending":"back"}', 'aborted', 1, 'test', 1)`,
    );
    const device = sqlite.prepare(
      `insert into rollout_device (rollout_id, device_id, ordinal, status, assigned, changed_at, last_word_at, back_at, back_as, fault)
       values ('r-1', ?, ?, ?, 0, 1, 2, 3, ?, ?)`,
    );
    for (const [n, outcome] of outcomes.entries())
      device.run(`d${n}`, n, n === 0 ? 'hindered' : 'withdrawn', outcome, fault);
    const inputs = '{"gates":2,"counts":{"succeeded":1,"hindered":2},"wantRequests":3}';
    const reasons = '[{"code":"trials_want_requests","verdict":"inconclusive","text":"hindered"}]';
    sqlite
      .prepare(
        `insert into rollout_verdict (rollout_id, at, phase, verdict, reasons, inputs) values ('r-1', 1, 0, 'hold', ?, ?)`,
      )
      .run(reasons, inputs);
    sqlite.exec(`insert into blob values ('aa', 5, 1, 7, 'ci'), ('bb', 6, 1, null, '')`);
    await migrate(old);
    const devices = await old.selectFrom('rollout_device').selectAll().orderBy('ordinal').execute();
    expect(devices.map((row) => row.revert_outcome)).toEqual([
      'reverted',
      'unchanged',
      'no-target',
      'superseded',
      'not-sent',
      'refused',
      null,
    ]);
    expect(devices[0]).toMatchObject({ status: 'blocked', last_reported_at: 2, reverted_at: 3 });
    expect(devices[1]!.status).toBe('withdrawn');
    expect(JSON.parse(devices[0]!.fault!)).toMatchObject({ code: 'version_quarantined' });
    const rollout = await old.selectFrom('rollout').select('state').executeTakeFirstOrThrow();
    expect(JSON.parse(rollout.state)).toEqual({ ending: 'revert' });
    const verdict = await old.selectFrom('rollout_verdict').selectAll().executeTakeFirstOrThrow();
    expect(JSON.parse(verdict.inputs)).toEqual({
      gates: 2,
      counts: { succeeded: 1, blocked: 2 },
      awaitingRequests: 3,
    });
    expect(JSON.parse(verdict.reasons)).toMatchObject([{ code: 'trials_awaiting_requests' }]);
    // The triggers that keep the sums follow the columns.
    await old.updateTable('blob').set({ unreferenced_since: null }).where('sha256', '=', 'aa').execute();
    expect(await old.selectFrom('blob_total').selectAll().execute()).toEqual([
      { referenced: 1, uploaded_by: '', blobs: 2, bytes: 11 },
    ]);
  });
});
