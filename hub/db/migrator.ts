/**
 * Brings the schema up to date: migrations have numbers, run in order, each in a transaction of its own together with the
 * number it leaves behind, so that a crash leaves a whole schema. Migrations only go forward; a schema with a number
 * this program does not know is left alone.
 */
import { type Kysely, sql } from 'kysely';
import { AppError } from '../../shared/base/app-error.ts';
import { up as up0001 } from './migrations/0001-initial.ts';
import { up as up0002 } from './migrations/0002-way-back.ts';
import { up as up0003 } from './migrations/0003-enrolment.ts';
import { up as up0004 } from './migrations/0004-release.ts';
import { up as up0005 } from './migrations/0005-removed.ts';
import { up as up0006 } from './migrations/0006-what-is-looked-for.ts';
import { up as up0007 } from './migrations/0007-inventory.ts';
import { up as up0008 } from './migrations/0008-telemetry-evidence.ts';
import { up as up0009 } from './migrations/0009-rollout-devices.ts';
import { up as up0012 } from './migrations/0012-restored.ts';
import { up as up0014 } from './migrations/0014-stored-blobs.ts';
import { up as up0015 } from './migrations/0015-what-leaves.ts';
import { up as up0016 } from './migrations/0016-telemetry-of-devices.ts';
import { up as up0017 } from './migrations/0017-idempotent-requests.ts';
import { up as up0018 } from './migrations/0018-orders-of-lists.ts';
import { up as up0019 } from './migrations/0019-terms.ts';
import { up as up0020 } from './migrations/0020-fleet-totals.ts';
import { up as up0021 } from './migrations/0021-orders-of-devices.ts';
import { up as up0022 } from './migrations/0022-rollups.ts';
import { up as up0023 } from './migrations/0023-alerts.ts';
import { up as up0026 } from './migrations/0026-failing-hours.ts';
import type { Tables } from './tables.ts';

export interface Migration {
  readonly number: number;
  up(db: Kysely<unknown>): Promise<void>;
}

/** Every migration, ascending. One that was released is never changed. */
export const migrations: readonly Migration[] = [
  { number: 1, up: up0001 },
  { number: 2, up: up0002 },
  { number: 3, up: up0003 },
  { number: 4, up: up0004 },
  { number: 5, up: up0005 },
  { number: 6, up: up0006 },
  { number: 7, up: up0007 },
  { number: 8, up: up0008 },
  { number: 9, up: up0009 },
  { number: 12, up: up0012 },
  { number: 14, up: up0014 },
  { number: 15, up: up0015 },
  { number: 16, up: up0016 },
  { number: 17, up: up0017 },
  { number: 18, up: up0018 },
  { number: 19, up: up0019 },
  { number: 20, up: up0020 },
  { number: 21, up: up0021 },
  { number: 22, up: up0022 },
  { number: 23, up: up0023 },
  { number: 26, up: up0026 },
];

const VERSION_KEY = 'schema_version';

/** Runs what is missing of `known`. Throws `data_folder_newer` before it touches a newer schema. */
export async function migrate(database: Kysely<Tables>, known = migrations): Promise<void> {
  const found = await schemaVersion(database);
  const newest = known.at(-1)?.number ?? 0;
  if (found > newest) {
    throw new AppError(
      'data_folder_newer',
      `Cannot open the database: its schema has version ${found}, and this program supports versions up to ${newest}. Nothing was changed.`,
      { details: { found, newest } },
    );
  }
  for (const migration of known) {
    if (migration.number <= found) continue;
    await database.transaction().execute(async (tx) => {
      await migration.up(tx as unknown as Kysely<unknown>);
      await tx
        .insertInto('meta')
        .values({ key: VERSION_KEY, value: String(migration.number) })
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: String(migration.number) }))
        .execute();
    });
  }
}

/** Number of the last migration that ran; 0 for an empty database. */
async function schemaVersion(database: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ name: string }>`select name from sqlite_master where type = 'table'`.execute(
    database,
  );
  if (rows.length === 0) return 0;
  const names = new Set(rows.map(({ name }) => name));
  // The first migration makes both, and leaves its number.
  const row =
    names.has('meta') && names.has('audit_event')
      ? await database.selectFrom('meta').select('value').where('key', '=', VERSION_KEY).executeTakeFirst()
      : undefined;
  if (row) return Number(row.value);
  throw new AppError(
    'data_folder_incomplete',
    'Cannot open the database: it belongs to another program. Nothing was changed.',
  );
}
