/** Rows of a hub that no request makes: what devices, time and evaluations would leave. */
import SQLite from 'better-sqlite3';

/** An alert that fires and one that was resolved; their ids. */
export function storeAlerts(data: string): readonly [string, string] {
  const database = new SQLite(`${data}/hub.db`);
  const insert = database.prepare(
    `insert into alert (id, code, subject, severity, state, summary, pending_at, fired_at, resolved_at, recurrences)
     values (?, 'drift_found', 'm', 'ticket', ?, 'm: drift was found', 1, 1, ?, 0)`,
  );
  const ids = ['a-00000000000f', 'a-00000000000e'] as const;
  insert.run(ids[0], 'firing', null);
  insert.run(ids[1], 'resolved', 2);
  database.close();
  return ids;
}

/** As a rollout of long ago left it. */
export function assign(data: string, device: string, model: string): void {
  const database = new SQLite(`${data}/hub.db`);
  database
    .prepare(
      `insert into desired_model (device_id, model, version, release, manifest_sha256, trial, set_at)
        select ?, model, version, release, manifest_sha256, '{}', 0 from version where model = ? and version = '1.0.0'`,
    )
    .run(device, model);
  database.close();
}
