/**
 * `kill -9` of the hub at every step of the story of a version. Promised: what the hub acknowledged (an action, an event, a
 * telemetry report) is there afterwards, once; the same story goes on and ends in the same state as without the kill;
 * the sequence of a device never goes back.
 */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../demo/fleet.ts';
import { countFiles, model, SmallFleet } from '../support/small-fleet.ts';
import { Traffic } from '../support/traffic.ts';
import { devices, first, manyChunksBytes, VersionStory } from '../support/version-story.ts';

const TEST_MS = 120_000;

describe('the hub is killed while the fleet is made', { timeout: TEST_MS }, () => {
  it('right after trust init: trust is there, and cannot be made a second time', async () => {
    const small = await SmallFleet.startHub([]);
    try {
      const before = await small.fleet.cli('trust', 'status');
      await small.restartHub();
      expect(await small.fleet.cli('trust', 'status')).toEqual(before);
      const again = await small.fleet.tryCli(
        ...['trust', 'init', '--keys', join(small.fleet.folder, 'other-keys')],
      );
      expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('trust_exists') });
      expect(await small.publishNext()).toBe('1.0.0');
      await small.expectNothingAcknowledgedLost();
    } finally {
      await small.stop();
    }
  });

  it('right after a join token was used: the device is enrolled, the token used up', async () => {
    const small = await SmallFleet.startHub(['line-1']);
    try {
      const token = await small.joinToken(1);
      await small.killHub();
      await small.fleet.startHub();
      await small.fleet.enrol('line-1', token);
      small.acknowledged.push('device.enrolled device/line-1');
      await small.restartHub();
      await small.fleet.startAgent('line-1');
      await small.allConnected();
      await expect(small.fleet.enrol('line-2', token)).rejects.toThrow('join_token');
      await small.expectNothingAcknowledgedLost();
    } finally {
      await small.stop();
    }
  });
});

describe('the hub is killed while versions come', { timeout: TEST_MS }, () => {
  let story: VersionStory;
  let small: SmallFleet;

  beforeAll(async () => {
    story = await VersionStory.start();
    small = story.small;
  }, TEST_MS);
  afterAll(() => story?.stop());

  interface HubPoint {
    readonly name: string;
    /** Does the step, kills the hub and starts it again; the rollout that must end as if nothing had been. */
    readonly step: () => Promise<string>;
  }
  const hubPoints: readonly HubPoint[] = [
    {
      name: 'in the middle of an upload: what it has is not sent again',
      async step() {
        const { version, folder } = await small.writeNextVersion({ bytes: manyChunksBytes });
        const blobs = join(small.fleet.hubData, 'blobs');
        const before = await countFiles(blobs);
        const publishing = small.tryPublish(folder);
        await until('some chunks are up', async () =>
          (await countFiles(blobs)) > before + 5 ? true : undefined,
        );
        await small.killHub();
        expect(await publishing).toMatchObject({ code: 69 });
        await small.fleet.startHub();
        expect((await small.fleet.rest('GET', `/models/${model}/versions/${version}`)).status).toBe(404);
        const done = await small.tryPublish(folder);
        expect(done.code, done.stderr).toBe(0);
        small.acknowledged.push(`version.published model/${model}@${version}`);
        expect(JSON.parse(done.stdout).uploadedBytes).toBeLessThan(manyChunksBytes);
        return small.rollOut(version);
      },
    },
    {
      name: 'right after publish returned',
      async step() {
        const version = await small.publishNext();
        await small.restartHub();
        return small.rollOut(version);
      },
    },
    {
      name: 'right after rollout create returned',
      async step() {
        const id = await small.rollOut(await small.publishNext());
        await small.restartHub();
        return id;
      },
    },
    {
      name: 'while devices download',
      async step() {
        const id = await story.inDownload();
        await small.killHub();
        expect((await small.modelOn(first))?.update?.state).toBe('downloading');
        await small.fleet.startHub();
        return id;
      },
    },
    {
      name: 'while a device is on trial',
      async step() {
        const version = await small.publishNext();
        const id = await small.rollOut(version, { trialSeconds: 3 });
        await small.reaches(first, version, 'trial');
        await small.restartHub();
        return id;
      },
    },
    {
      name: 'while a device ends its trial and cannot say so',
      async step() {
        const version = await small.publishNext();
        const id = await small.rollOut(version, { trialSeconds: 1 });
        await small.reaches(first, version, 'trial');
        await small.killHub();
        await small.reaches(first, version, 'committed');
        await small.fleet.startHub();
        return id;
      },
    },
    {
      name: 'between two phases',
      async step() {
        const version = await small.publishNext();
        const id = await small.rollOut(version, {
          phases: [{ devices: 1 }, { percent: 100 }],
          soakMs: 3_000,
        });
        await until('the first device has succeeded', async () =>
          (await small.rollout(id)).counts['succeeded'] === 1 ? true : undefined,
        );
        await small.restartHub();
        return id;
      },
    },
    {
      name: 'right after pause returned: it is paused, and resume goes on',
      async step() {
        const version = await small.publishNext();
        const id = await small.rollOut(version, {
          phases: [{ devices: 1 }, { percent: 100 }],
          soakMs: 1_500,
        });
        await small.act(id, 'pause');
        await small.restartHub();
        expect((await small.rollout(id)).status).toBe('paused');
        await small.act(id, 'resume');
        return id;
      },
    },
    {
      name: 'while pause is on its way: it is paused or not, and never half',
      async step() {
        const version = await small.publishNext();
        const id = await small.rollOut(version, {
          phases: [{ devices: 1 }, { percent: 100 }],
          soakMs: 1_500,
        });
        const pausing = small.act(id, 'pause').then(
          () => true,
          () => false,
        );
        await wait(5);
        await small.restartHub();
        const wasAcknowledged = await pausing;
        const { status } = await small.rollout(id);
        if (wasAcknowledged) expect(status).toBe('paused');
        if (status === 'paused') await small.act(id, 'resume');
        return id;
      },
    },
  ];

  it.each(hubPoints)('$name', async ({ step }) => {
    await story.expectSameEnd(await step());
  });

  it('right after rollback returned: every device goes back', async () => {
    const before = await story.activeVersion();
    const id = await small.rollOut(await small.publishNext());
    await small.ended(id);
    await small.act(id, 'rollback');
    await small.restartHub();
    await story.expectRolledBackTo(id, before);
  });

  it('while telemetry flows: every answered request is counted once', async () => {
    const version = await small.publishNext();
    const id = await small.rollOut(version);
    await small.settled(version);
    const traffic = new Traffic(small, version);
    await traffic.hasAnswered(20);
    await small.restartHub();
    await traffic.hasAnswered(traffic.answered + 20);
    await small.killHub();
    await traffic.hasAnswered(traffic.answered + 20);
    await traffic.stop();
    await small.fleet.startHub();
    await story.expectSameEnd(id);
    // `settled` asks each device once, here twice.
    await story.expectCounted(version, traffic.answered + 2 * devices.length);
  });
});
