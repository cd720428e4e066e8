/**
 * A backup is made beside a running hub, the fleet goes on, the hub's disk is lost and the backup restored. Promised: no device
 * goes back because of it, every device takes what the hub says afterwards, and the publisher can go on: each time it happens.
 */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../demo/fleet.ts';
import { SmallFleet } from '../support/small-fleet.ts';

const TEST_MS = 600_000;
const devices = ['line-1', 'line-2'];

describe('a hub is lost and restored from a backup of before', { timeout: TEST_MS }, () => {
  let small: SmallFleet;
  let backup: string;
  let losses = 0;
  const key = () => join(small.fleet.folder, 'keys', 'publisher.pem');

  const hub = async (...words: readonly string[]) =>
    small.programs.run('modelfleet-hub', [...words, '--data', small.fleet.hubData, '--json']);

  /** The hub dies, its disk is gone, and the operator follows the runbook. */
  async function loseAndRestore(): Promise<void> {
    await small.killHub();
    losses += 1;
    await rename(small.fleet.hubData, `${small.fleet.hubData}-lost-${losses}`);
    expect(await hub('restore', backup)).toMatchObject({ code: 0 });
    await small.fleet.startHub();
    await small.allConnected();
  }

  /** What each device says it runs, as the restored hub has received it. */
  async function received(): Promise<(string | undefined)[]> {
    const { body } = await small.fleet.rest('GET', '/devices');
    return (body as { devices: { models?: { version?: string }[] }[] }).devices.map(
      ({ models }) => models?.[0]?.version,
    );
  }

  beforeAll(async () => {
    small = await SmallFleet.start(devices);
    const first = await small.publishNext();
    await small.ended(await small.rollOut(first));
    // One that is not over yet when the backup is made.
    const second = await small.publishNext();
    const unfinished = await small.rollOut(second, {
      phases: [{ devices: 1 }, { percent: 100 }],
      soakMs: 600_000,
    });
    await until('one device has succeeded', async () =>
      (await small.rollout(unfinished)).counts['succeeded'] === 1 ? true : undefined,
    );
    await small.joinToken(5);
    backup = join(small.fleet.folder, 'backup');
    const made = await hub('backup', backup);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(made.stdout)).toMatchObject({ folder: backup, missing: [] });
    // The fleet goes on, and the backup knows nothing of it.
    await small.fleet.rest('POST', `/rollouts/${unfinished}/abort`, { keep: true });
    const third = await small.publishNext();
    await small.ended(await small.rollOut(third));
    await small.settled(third);
  }, TEST_MS);
  afterAll(() => small?.stop());

  it('devices go on with what they run, and take what is published and rolled out next', async () => {
    const sequences = await Promise.all(
      devices.map(async (id) => (await small.status(id)).reported.sequence),
    );
    await loseAndRestore();

    // Each device has accepted a statement of the restored hub, and runs what it ran.
    await until('devices accept statements of the restored hub', async () => {
      const now = await Promise.all(devices.map(async (id) => (await small.status(id)).reported.sequence));
      return now.every((sequence, i) => sequence > sequences[i]!) ? true : undefined;
    });
    await expect.poll(received, { timeout: 60_000 }).toEqual(['3.0.0', '3.0.0']);
    for (const id of devices) expect(await small.infer(id)).toMatchObject({ version: '3.0.0' });

    // What the backup believed to be under way is over, and what it lent may have been used up.
    const { rollouts } = (await small.fleet.rest('GET', '/rollouts')).body as {
      rollouts: { status: string }[];
    };
    expect(rollouts.map(({ status }) => status).sort()).toEqual(['aborted', 'completed']);
    const { joinTokens } = (await small.fleet.rest('GET', '/join-tokens')).body as {
      joinTokens: { status: string }[];
    };
    expect(joinTokens.filter(({ status }) => status === 'usable')).toEqual([]);

    // The publisher's key has signed more than the hub shows: that is for a person to look at.
    const { folder } = await small.writeNextVersion();
    const refused = await small.tryPublish(folder);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('metadata_rolled_back') });
    expect(refused.stderr).toContain('modelfleet trust refresh');
    await small.fleet.cli('trust', 'refresh', '--restored', '--key', key());
    expect(await small.publish(folder)).toBe('4.0.0');
    expect((await small.ended(await small.rollOut('4.0.0'))).status).toBe('completed');
    await small.settled('4.0.0');
    for (const id of devices) expect(await small.infer(id)).toMatchObject({ version: '4.0.0' });

    expect((await small.fleet.rest('GET', '/audit/verify')).body).toMatchObject({ intact: true });
    const { events } = (await small.fleet.rest('GET', '/audit?action=hub.caught_up')).body as {
      events: { details: Record<string, unknown> }[];
    };
    expect(events).toHaveLength(1);
    expect(events[0]!.details).toMatchObject({ rolloutsEnded: [expect.stringMatching(/^r-/)] });
  });

  it('the same backup once more: above what the restored hub has signed too', async () => {
    await loseAndRestore();
    await expect.poll(received, { timeout: 60_000 }).toEqual(['4.0.0', '4.0.0']);
    await small.fleet.cli('trust', 'refresh', '--restored', '--key', key());
    const version = await small.publishNext();
    expect(version).toBe('5.0.0');
    expect((await small.ended(await small.rollOut(version))).status).toBe('completed');
    await small.settled(version);
  });
});
