import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { expect, it, onTestFinished, vi } from 'vitest';
import { makeBackup } from '../../../../hub/backup/make-backup.ts';
import { checkBackup, restoreBackup } from '../../../../hub/backup/restore-backup.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { runCli } from '../../../support/cli.ts';
import { RunningHub, type RunningHubOptions } from '../../../support/running-hub.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });
const DAY_MS = 86_400_000;

async function start(settings: RunningHubOptions): Promise<RunningHub> {
  const hub = await RunningHub.start(settings);
  onTestFinished(() => hub.stop());
  return hub;
}

it('old rows of the audit log leave a hub; what is left is verified after that, after a restore and without the old key', async () => {
  const root = await tempFolder();
  const data = join(root, 'hub');
  const behind = { ...systemClock, now: () => systemClock.now() - 401 * DAY_MS };
  const first = await start({ data, clock: behind });
  const { adminToken } = first;
  for (const name of ['a', 'b', 'c']) await first.client.post('/tokens', { name, role: 'viewer' });
  await first.stop();

  const hub = await start({ data });
  const client = hub.clientOf(adminToken);
  const { kinds } = (await client.post('/hub/gc', { dryRun: true })) as { kinds: { kind: string }[] };
  expect(kinds.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining([
      ...['telemetry', 'rollout-evidence', 'rollouts', 'device-events', 'removed-devices', 'join-tokens'],
      ...['api-tokens', 'audit-rows', 'unused-pages'],
    ]),
  );
  await client.post('/hub/gc', {});
  const verified = {
    intact: true,
    from: expect.any(Number),
    checkpoint: { number: expect.any(Number), firstAt: expect.any(Number) },
  };
  const found = (await client.get('/audit/verify')) as { from: number; checkpoint: { number: number } };
  expect(found).toMatchObject(verified);
  expect(found.from).toBe(found.checkpoint.number + 1);
  expect(found.from).toBeGreaterThanOrEqual(4);
  const caFile = join(root, 'ca.pem');
  await writeFile(caFile, hub.ca);
  const env = { MODELFLEET_HUB: hub.url, MODELFLEET_TOKEN: adminToken, MODELFLEET_CA_FILE: caFile };
  const printed = await runCli(join(root, 'login.json'), ['audit', 'verify'], { env });
  expect(printed).toMatchObject({ code: 0, stdout: expect.stringMatching(/Rows 1 to \d+, of .* have left/) });

  const backup = join(root, 'backup');
  await makeBackup({ data, to: backup, program: '1.2.3', nowMs: Date.now() });
  await hub.stop();
  const restoredTo = join(root, 'restored');
  await restoreBackup(await checkBackup(backup), { data: restoredTo, nowMs: Date.now() });
  const restored = await start({ data: restoredTo });
  expect(await restored.clientOf(adminToken).get('/audit/verify')).toMatchObject(verified);
  await restored.stop();

  await rm(join(data, 'keys', 'director.pem'));
  // A start that ends after the loss was accepted, before the audit log has it.
  const database = new BetterSqlite3(join(data, 'hub.db'));
  onTestFinished(() => void database.close());
  database.exec(`create trigger stuck before insert on audit_event begin select raise(abort, 'stuck'); end`);
  await expect(RunningHub.start({ data, startOptions: { acceptLoss: true } })).rejects.toThrow('stuck');
  database.exec('drop trigger stuck');
  const without = await start({ data, startOptions: { acceptLoss: true } });
  expect(await without.clientOf(adminToken).get('/audit/verify')).toMatchObject(verified);
  expect(await without.clientOf(adminToken).get('/audit?action=audit.checkpoint_signed_again')).toMatchObject(
    {
      events: [{ details: { number: found.checkpoint.number } }],
    },
  );
});
