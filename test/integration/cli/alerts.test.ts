/** `modelfleet slo` and `modelfleet alerts` as an operator runs them. */
import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { publishedVersion } from '../../support/profiles.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { storeModel } from '../../support/stored-model.ts';
import { tempFolder } from '../../support/temp-folder.ts';

it('sets and shows objectives, and lists, acknowledges and silences alerts', async () => {
  const hub = await RunningHub.start();
  onTestFinished(() => hub.stop());
  await storeModel(hub.data, publishedVersion());
  const config = join(await tempFolder(), 'login.json');
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(config, args);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  await cli('login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256);

  const objectives = ['--availability', '99.9%', '--latency', '95%', '--latency-limit', '40ms'];
  expect(await cli('slo', 'set', 'air', ...objectives, '--drift')).toMatch(
    /^air: objectives were set\n\nOBJECTIVE +TARGET +BUDGET LEFT +BAD +ALL +PERIOD\navailability +99\.9 % +100 % +0 +0 +14d\nlatency +95 % /,
  );
  expect(await cli('slo', 'show', 'air')).toMatch(/^last 5m +0\.00 +0 +0$/m);
  expect(JSON.parse(await cli('slo', 'show', 'air', '--json'))).toMatchObject({
    objectives: {
      availability: { target: 0.999 },
      latency: { target: 0.95, limitMs: 40 },
      drift: true,
    },
  });
  expect(await runCli(config, ['slo', 'set', 'air', '--latency', '95%'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--latency without --latency-limit'),
  });
  expect(await cli('slo', 'set', 'air', '--group', 'field', '--availability', '99%')).toMatch(
    /^air in group field: objectives were set$/m,
  );
  expect(await cli('slo', 'reset', 'air', '--group', 'field')).toContain('none of its own');
  expect(await cli('slo', 'reset', 'air')).toContain('has the objectives of its manifest');
  expect(await cli('slo', 'show', 'air')).toContain('there are none');
  await cli('slo', 'show');

  expect(await cli('alerts', 'list', '-o', 'name')).toBe('');
  const database = new SQLite(join(hub.data, 'hub.db'));
  database.exec(
    `insert into alert (id, code, subject, severity, state, summary, pending_at, fired_at, recurrences)
     values ('a-00000000000a', 'receiver_failed', 'on-call', 'page', 'firing', 'receiver on-call: fails', 1, 2, 0)`,
  );
  database.close();
  expect(await cli('alerts', 'list')).toMatch(
    /^a-00000000000a +page +firing +receiver_failed +1970-01-01 00:00Z +receiver on-call: fails$/m,
  );
  const silence = await cli(
    ...[
      'alerts',
      'silence',
      'create',
      '--subject',
      'on-call',
      '--for',
      '2h',
      '--reason',
      'its move',
      '-o',
      'name',
    ],
  );
  expect(silence).toMatch(/^s-[0-9a-f]{12}\n$/);
  expect(await cli('alerts', 'list')).toContain('firing, silenced');
  expect(await cli('alerts', 'silence', 'list')).toMatch(/ any +on-call +.* +token:admin +its move$/m);
  expect(await cli('alerts', 'silence', 'end', silence.trim())).toContain('has ended');
  expect(await cli('alerts', 'ack', 'a-00000000000a')).toMatch(/^acknowledged +\S+ \S+ by token:admin$/m);
  expect(await cli('alerts', 'show', 'a-00000000000a')).toContain('docs/ALERTS.md#receiver_failed');
  expect(await cli('alerts', 'deliveries', '--dead', '-o', 'name')).toBe('');
  expect(await runCli(config, ['alerts', 'test'])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('--alert-receivers'),
  });
}, 120_000);
