import { sql } from 'kysely';
import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';

/** How the rows of each table leave: the kind of the retention that lets them, or what bounds them (docs/OPERATIONS.md says it to people). */
const leaving: Readonly<Record<string, string>> = {
  alert: 'alerts',
  alert_delivery: 'alerts',
  alert_silence: 'alerts',
  api_token: 'api-tokens',
  audit_event: 'audit-rows',
  blob: 'unreferenced-blobs',
  blob_lost: 'with the blob, or when it is found again',
  blob_total: 'one for each uploader that has blobs',
  desired_model: 'one for each device and model',
  desired_release: 'one for each device and model',
  desired_statement: 'removed-devices',
  desired_unassigned: 'when the device says that it has given the model up',
  device: 'removed-devices',
  device_event: 'device-events',
  enrolment: 'one for each device; with its join token',
  idempotent_request: 'idempotent-requests',
  inventory: 'one for each key file',
  join_token: 'join-tokens',
  meta: 'one for each fact of the hub',
  model: 'a name is given once',
  objective: 'one for each model',
  rollout: 'rollouts',
  rollout_device: 'rollouts',
  rollout_verdict: 'rollouts',
  sqlite_sequence: 'of SQLite',
  telemetry_activity: 'telemetry-rollups',
  telemetry_bucket: 'moves into device hours and rollups',
  telemetry_device_hour: 'telemetry',
  telemetry_evidence: 'rollout-evidence',
  telemetry_removed: 'when the telemetry of the device has left',
  device_total: 'one for each group that has devices',
  telemetry_rollup: 'telemetry-rollups',
  telemetry_size: 'one row',
  telemetry_stream: 'a bounded number for each device; with the device',
  trust_file: 'replaced by the next; every root stays',
  version: 'a bounded number for each model: a release is given once',
  version_chunk: 'with the files of the version',
};

it('nothing that is stored grows for ever: of every table it is known how its rows leave', async () => {
  const database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  const { rows } = await sql<{ name: string }>`select name from sqlite_master where type = 'table'`.execute(
    database,
  );
  expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(leaving).sort());
});
