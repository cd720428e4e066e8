/**
 * `kill -9` at every step of the story of a version. Promised: what the hub acknowledged (an act, an event, a telemetry report)
 * is there afterwards, once; the same story goes on and ends in the same state as without the kill; the sequence
 * of a device never goes back. Not promised: counts of the window that was open when an agent was killed. They are lost, and
 * never counted twice.
 */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askAgent } from '../../agent/control/control-client.ts';
import { until } from '../../demo/fleet.ts';
import type { UpdateState } from '../../shared/protocol/update-event.ts';
import { countFiles, model, type RolloutView, SmallFleet } from '../support/small-fleet.ts';

const TEST_MS = 120_000;
const MANY_CHUNKS_BYTES = 12 * 1024 * 1024;
const devices = ['line-1', 'line-2'] as const;
const [first, second] = devices;

describe('killed while the fleet is made', { timeout: TEST_MS }, () => {
  it('the hub, right after trust init: trust is there, and cannot be made a second time', async () => {
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

  it('the hub, right after a join token was used: the device is enrolled, the token used up', async () => {
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

describe('killed while versions come', { timeout: TEST_MS }, () => {
  let small: SmallFleet;
  /** How a rollout ends that nothing disturbs. */
  let undisturbed: object;

  beforeAll(async () => {
    small = await SmallFleet.start(devices);
    const version = await small.publishNext();
    undisturbed = await endOf(await small.rollOut(version));
  }, TEST_MS);
  afterAll(() => small?.stop());

  /** The end of a rollout that completes, less what names it. */
  async function endOf(id: string): Promise<object> {
    const { status, reason, version, counts } = await small.ended(id);
    expect({ status, reason }).toMatchObject({ status: 'completed' });
    await small.settled(version);
    const active = await Promise.all(devices.map((device) => small.modelOn(device)));
    return {
      status,
      counts,
      models: active.map((one) => ({
        update: one?.update?.state,
        isActive: one?.active?.version === version,
        isParked: one?.parked.some((parked) => parked.version === version),
      })),
    };
  }

  async function activeVersion(): Promise<string> {
    return (await small.modelOn(first))!.active!.version;
  }

  async function expectSameEnd(id: string): Promise<void> {
    await small.allConnected();
    expect(await endOf(id)).toEqual(undisturbed);
    await small.expectNothingAcknowledgedLost();
  }

  interface HubPoint {
    readonly name: string;
    /** Does the step, kills the hub and starts it again; the rollout that must end as if nothing had been. */
    readonly step: () => Promise<string>;
  }
  const inDownload = async (): Promise<string> => {
    const id = await small.rollOut(await small.publishNext({ bytes: MANY_CHUNKS_BYTES }));
    await until('some chunks are there', async () => ((await small.chunksOn(first)) > 5 ? true : undefined));
    return id;
  };
  const hubPoints: readonly HubPoint[] = [
    {
      name: 'in the middle of an upload: what it has is not sent again',
      async step() {
        const { version, folder } = await small.writeNextVersion({ bytes: MANY_CHUNKS_BYTES });
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
        expect(JSON.parse(done.stdout).uploadedBytes).toBeLessThan(MANY_CHUNKS_BYTES);
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
        const id = await inDownload();
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

  it.each(hubPoints)('the hub, $name', async ({ step }) => {
    await expectSameEnd(await step());
  });

  it('the hub, right after rollback returned: every device goes back', async () => {
    const before = await activeVersion();
    const id = await small.rollOut(await small.publishNext());
    await small.ended(id);
    await small.act(id, 'rollback');
    await small.restartHub();
    await small.allConnected();
    expect(await rolledBack(id)).toMatchObject({ status: 'rolled-back' });
    await small.settled(before);
    await small.expectNothingAcknowledgedLost();
  });

  async function rolledBack(id: string): Promise<RolloutView> {
    return until(`rollout ${id} is rolled back`, async () => {
      const view = await small.rollout(id);
      return view.status === 'rolled-back' ? view : undefined;
    });
  }

  it('the hub, while telemetry flows: every answered request is counted once', async () => {
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
    await expectSameEnd(id);
    // `settled` asks each device once, here twice.
    await expectCounted(version, traffic.answered + 2 * devices.length);
  });

  async function expectCounted(version: string, wanted: number): Promise<void> {
    await expect.poll(() => small.counted(version), { timeout: 20_000, interval: 200 }).toBe(wanted);
    await small.windowsClosed();
    expect(await small.counted(version)).toBe(wanted);
  }

  const agentPoints: readonly UpdateState[] = [
    'checking',
    'downloading',
    'verifying',
    'staged',
    'qualifying',
    'activating',
    'trial',
    'committed',
  ];
  it.each(agentPoints)('an agent, in state %s', async (state) => {
    const version = await small.publishNext();
    const armed = await small.armAgent(first, state);
    const id = await small.rollOut(version);
    await armed.exited;
    await small.fleet.startAgent(first);
    await expectSameEnd(id);
  });

  it('an agent, in the middle of a download: no chunk comes twice', async () => {
    const id = await inDownload();
    await small.killAgent(first);
    const had = await small.chunksOn(first);
    expect(had).toBeLessThan(MANY_CHUNKS_BYTES / (256 * 1024));
    await small.fleet.startAgent(first);
    await expectSameEnd(id);
  });

  it('an agent, while it goes back for the hub: it is back when it starts again', async () => {
    const before = await activeVersion();
    const id = await small.rollOut(await small.publishNext());
    await small.ended(id);
    const armed = await small.armAgent(first, 'activating');
    await small.act(id, 'rollback');
    await armed.exited;
    await small.fleet.startAgent(first);
    await rolledBack(id);
    await small.settled(before);
    await small.expectNothingAcknowledgedLost();
  });

  it('an agent, while it goes back by itself: it is back when it starts again, and the hub knows', async () => {
    const before = await activeVersion();
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
    await rolledBack(id);
    await small.settled(before);
    await small.expectNothingAcknowledgedLost();
  });

  it('an agent, while it answers: what was in a closed window is counted once, the open one may be lost', async () => {
    const version = await small.publishNext();
    const id = await small.rollOut(version);
    await small.settled(version);
    const asked = devices.length;
    await expectCounted(version, asked);
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
    await expectSameEnd(id);
  });
});

/** Asks every device again and again; what does not answer is asked again. */
class Traffic {
  readonly #small: SmallFleet;
  readonly #version: string;
  readonly #answered = new Map<string, number>();
  readonly #done: Promise<unknown>;
  #stopped = false;

  constructor(small: SmallFleet, version: string) {
    this.#small = small;
    this.#version = version;
    this.#done = Promise.all(small.devices.map((id) => this.#ask(id)));
  }

  get answered(): number {
    return [...this.#answered.values()].reduce((sum, n) => sum + n, 0);
  }

  answeredBy(id: string): number {
    return this.#answered.get(id) ?? 0;
  }

  hasAnswered(wanted: number): Promise<true> {
    return until(`${wanted} requests are answered`, async () => (this.answered >= wanted ? true : undefined));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #ask(id: string): Promise<void> {
    while (!this.#stopped) {
      const answer = await this.#small.infer(id).catch(() => undefined);
      if (answer?.version === this.#version) {
        this.#answered.set(id, this.answeredBy(id) + 1);
      }
      await wait(15);
    }
  }
}
