import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { storeRollouts } from '../../support/stored-rollouts.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const id = 'r-0011223344aa';

it('a watch outlives a restart of the hub, and its exit code says that the rollout was aborted', async () => {
  const data = await tempFolder();
  const hub = await RunningHub.start({ data });
  onTestFinished(() => hub.stop());
  const startAt = Date.now() + 86_400_000;
  await storeRollouts(data, [{ id, createdAt: Date.now(), status: 'scheduled', startAt }]);
  const ca = join(await tempFolder(), 'ca.pem');
  await writeFile(ca, hub.ca);
  const env = { MODELFLEET_TOKEN: hub.adminToken, MODELFLEET_CA_FILE: ca, MODELFLEET_HUB: hub.url };
  const login = join(await tempFolder(), 'login.json');
  const answers = () => hub.logLines.filter((line) => line.includes('/api/v1/rollouts/:id"')).length;

  const watching = runCli(login, ['rollout', 'status', id, '--watch'], { env });
  await expect.poll(answers, { timeout: 60_000 }).toBeGreaterThan(0);
  await hub.restart({ pauseMs: 2_500 });
  const before = answers();
  await expect.poll(answers, { timeout: 60_000 }).toBeGreaterThan(before);
  await hub.client.post(`/rollouts/${id}/abort`, { reason: 'enough' });

  const { code, stdout, stderr } = await watching;
  expect({ code, stderr }).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('The hub answers again.'),
  });
  expect(stdout).toContain('status   aborted: enough');
}, 150_000);

it('rollout list shows all of 120 rollouts, and says when --limit leaves some out', async () => {
  const data = await tempFolder();
  const hub = await RunningHub.start({ data });
  onTestFinished(() => hub.stop());
  await storeRollouts(
    data,
    Array.from({ length: 120 }, (_, i) => ({
      id: `r-${i.toString(16).padStart(12, '0')}`,
      createdAt: 1_000 + i,
    })),
  );
  const ca = join(await tempFolder(), 'ca.pem');
  await writeFile(ca, hub.ca);
  const env = { MODELFLEET_TOKEN: hub.adminToken, MODELFLEET_CA_FILE: ca, MODELFLEET_HUB: hub.url };
  const cli = (...args: string[]) => runCli('/nowhere/login.json', args, { env });

  const whole = await cli('rollout', 'list', '--json');
  expect({ rows: JSON.parse(whole.stdout).length, stderr: whole.stderr }).toEqual({ rows: 120, stderr: '' });

  const part = await cli('rollout', 'list', '--limit', '50', '--json');
  expect(JSON.parse(part.stdout)).toHaveLength(50);
  const { more } = JSON.parse(part.stderr);
  const rest = await cli('rollout', 'list', '--after', more.after);
  expect(rest.stdout.trimEnd().split('\n')).toHaveLength(1 + 70);
}, 120_000);
