import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { HttpHubClient } from '../../../cli/hub-client.ts';
import { makeNewTrust, parseHubKeys } from '../../../cli/trust/new-trust.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { trustBody } from '../../support/model-hub.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { SetClock } from '../../support/set-clock.ts';

vi.setConfig({ testTimeout: 120_000 });
const DAY_MS = 86_400_000;

async function makeTrust(client: HttpHubClient, nowMs: number): Promise<void> {
  const online = parseHubKeys(await client.get('/trust/keys'));
  await client.post(
    '/trust',
    trustBody(makeNewTrust({ online, rootKeys: 1, rootThreshold: 1, nowMs }).files),
  );
}

async function expiryOf(client: HttpHubClient, role: string): Promise<number> {
  const { roles } = (await client.get('/trust')) as { roles: { role: string; expires: string }[] };
  return Date.parse(roles.find((one) => one.role === role)!.expires);
}

describe('a hub whose clock was 30 days ahead', () => {
  it('signs its metadata again within a minute after the clock is right, and says what happened', async () => {
    const clock = new SetClock();
    clock.aheadMs = 30 * DAY_MS;
    const hub = await RunningHub.start({ clock });
    onTestFinished(() => hub.stop());
    await makeTrust(hub.client, systemClock.now());
    expect(await expiryOf(hub.client, 'timestamp')).toBeGreaterThan(systemClock.now() + 29 * DAY_MS);
    const made = (await hub.client.post('/join-tokens', { group: 'lab', uses: 1, ttlMs: 3_600_000 })) as {
      id: string;
    };

    clock.aheadMs = 0;
    await expect
      .poll(() => expiryOf(hub.client, 'timestamp'), { timeout: 60_000 })
      .toBeLessThan(systemClock.now() + 2 * DAY_MS);
    expect(await expiryOf(hub.client, 'snapshot')).toBeLessThan(systemClock.now() + 8 * DAY_MS);
    const events = async () =>
      ((await hub.client.get('/audit?action=hub.clock_set')) as { events: { details: object }[] }).events;
    await expect.poll(events, { timeout: 60_000 }).toMatchObject([{ details: { timesClamped: 4 } }]);
    // The admin token and the join token.
    // What was to last an hour does not last a month.
    const { joinTokens } = (await hub.client.get('/join-tokens')) as {
      joinTokens: { id: string; expiresAt: number }[];
    };
    expect(joinTokens.find(({ id }) => id === made.id)!.expiresAt).toBeLessThan(
      systemClock.now() + 3_600_000 + 60_000,
    );
    expect(await hub.client.get('/audit/verify')).toMatchObject({ intact: true });
  });

  it('is put right by the next start, when the clock was set while no hub ran', async () => {
    const clock = new SetClock();
    const hub = await RunningHub.start({ clock });
    onTestFinished(() => hub.stop());
    await makeTrust(hub.client, systemClock.now());
    clock.aheadMs = 30 * DAY_MS;
    await hub.restart();
    expect(await expiryOf(hub.client, 'timestamp')).toBeGreaterThan(systemClock.now() + 29 * DAY_MS);
    clock.aheadMs = 0;
    await hub.restart();
    expect(await expiryOf(hub.client, 'timestamp')).toBeLessThan(systemClock.now() + 2 * DAY_MS);
  });
});
