/**
 * Columns and stored values take the names that the rest of the program uses: a device is `blocked`, a version is reverted, a
 * blob is referenced by versions. Rows of the audit log keep the action they were written with: each is covered by its hash.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const outcomes = {
  back: 'reverted',
  'ran-before': 'unchanged',
  'no-way': 'no-target',
  'taken-over': 'superseded',
  'not-told': 'not-sent',
};
const codes = { device_not_heard: 'device_not_reported', version_parked: 'version_quarantined' };
const faultsIn = [
  { table: 'rollout_device', column: 'fault' },
  { table: 'device_event', column: 'body' },
];

/** Renames a field of a JSON column where it is present. */
function renameField(column: string, from: string, to: string): string {
  return `update rollout_verdict
    set ${column} = json_remove(json_set(${column}, '$.${to}', json_extract(${column}, '$.${from}')), '$.${from}')
    where json_type(${column}, '$.${from}') is not null`;
}

const statements = [
  `alter table rollout_device rename column last_word_at to last_reported_at`,
  `alter table rollout_device rename column back_at to reverted_at`,
  `alter table rollout_device rename column back_as to revert_outcome`,
  ...Object.entries(outcomes).map(
    ([from, to]) => `update rollout_device set revert_outcome = '${to}' where revert_outcome = '${from}'`,
  ),
  `update rollout_device set status = 'blocked' where status = 'hindered'`,
  `update rollout set state = json_set(state, '$.ending', 'revert') where json_extract(state, '$.ending') = 'back'`,
  renameField('inputs', 'counts.hindered', 'counts.blocked'),
  renameField('inputs', 'wantRequests', 'awaitingRequests'),
  `update rollout_verdict set reasons = replace(reasons, '"trials_want_requests"', '"trials_awaiting_requests"')`,
  ...faultsIn.flatMap(({ table, column }) =>
    Object.entries(codes).map(
      ([from, to]) =>
        `update ${table} set ${column} = replace(${column}, '"code":"${from}"', '"code":"${to}"')
         where instr(${column}, '"code":"${from}"') > 0`,
    ),
  ),
  `drop index blob_unnamed`,
  `alter table blob rename column unnamed_since to unreferenced_since`,
  `alter table blob_total rename column named to referenced`,
  `create index blob_unreferenced on blob (unreferenced_since) where unreferenced_since is not null`,
];
