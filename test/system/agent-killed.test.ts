/**
 * `kill -9` of an agent at every step of the story of a version. Promised: the same story goes on and ends in the same
 * state as without the kill; what it has stored is sent, and counted once. Not promised: counts of the window that was
 * open when it was killed. They are lost, and never counted twice.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askAgent } from '../../agent/control/control-client.ts';
import { until } from '../../demo/fleet.ts';
import { limits } from '../../shared/base/limits.ts';
import type { SmallFleet } from '../support/small-fleet.ts';
import { Traffic } from '../support/traffic.ts';
import { wholeWay } from '../support/update-way.ts';
import { devices, first, manyChunksBytes, second, VersionStory } from '../support/version-story.ts';

const TEST_MS = 120_000;

describe('an agent is killed while versions come', { timeout: TEST_MS }, () => {
  let story: VersionStory;
  let small: SmallFleet;

  beforeAll(async () => {
    story = await VersionStory.start();
    small = story.small;
  }, TEST_MS);
  afterAll(() => story?.stop());

  it.each(wholeWay)('in state %s', async (state) => {
    const version = await small.publishNext();
    const armed = await small.armAgent(first, state);
    const id = await small.rollOut(version);
    await armed.exited;
    await small.fleet.startAgent(first);
    await story.expectSameEnd(id);
  });

  it('in the middle of a download: it goes on with what it has', async () => {
    const id = await story.inDownload();
    await small.killAgent(first);
    const had = await small.chunksOn(first);
    expect(had).toBeLessThan(manyChunksBytes / limits.chunkBytes);
    await small.fleet.startAgent(first);
    await story.expectSameEnd(id);
  });

  it('while it goes back for the hub: it is back when it starts again', async () => {
    const before = await story.activeVersion();
    const id = await small.rollOut(await small.publishNext());
    await small.ended(id);
    const armed = await small.armAgent(first, 'activating');
    await small.act(id, 'rollback');
    await armed.exited;
    await small.fleet.startAgent(first);
    await story.expectRolledBackTo(id, before);
  });

  it('while it goes back by itself: it is back when it starts again, and the hub knows', async () => {
    const before = await story.activeVersion();
    const id = await small.rollOut(await small.publishNext());
    await small.ended(id);
    const armed = await small.armAgent(first, 'rolling-back');
    await askAgent(small.fleet.agentData(first), 'POST', '/rollback');
    await armed.exited;
    await small.fleet.startAgent(first);
    await until('the hub knows', async () =>
      (await small.rollout(id)).counts['rolled-back'] === 1 ? true : undefined,
    );
    expect(await small.infer(first)).toMatchObject({ version: before });
    await small.act(id, 'rollback');
    await story.expectRolledBackTo(id, before);
  });

  it('while it answers: what was in a closed window is counted once, the open one may be lost', async () => {
    const version = await small.publishNext();
    const id = await small.rollOut(version);
    await small.settled(version);
    const asked = devices.length;
    await story.expectCounted(version, asked);
    // The hub is away, so that what the agent has counted is on its disk alone.
    await small.killHub();
    const kept = new Traffic(small, version);
    await kept.hasAnswered(40);
    await kept.stop();
    await small.windowsClosed();
    const open = new Traffic(small, version);
    await open.hasAnswered(20);
    await small.killAgent(first);
    await open.stop();
    await small.windowsClosed();
    await small.fleet.startAgent(first);
    await small.fleet.startHub();
    await small.allConnected();
    const after = new Traffic(small, version);
    await after.hasAnswered(20);
    await after.stop();
    await small.windowsClosed();
    const certain = asked + kept.answered + open.answeredBy(second) + after.answered;
    await until('all that is kept is counted', async () =>
      (await small.counted(version)) >= certain ? true : undefined,
    );
    await small.windowsClosed();
    expect(await small.counted(version)).toBeLessThanOrEqual(certain + open.answeredBy(first));
    await story.expectSameEnd(id);
  });
});
