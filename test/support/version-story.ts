/**
 * The story of a version on a fleet of two, told again and again with a kill in it: it must end as it does when nothing
 * disturbs it, and nothing that was acknowledged may be missing.
 */
import { expect } from 'vitest';
import { until } from '../../demo/fleet.ts';
import { type RolloutView, SmallFleet } from './small-fleet.ts';

export const devices = ['line-1', 'line-2'] as const;
export const [first, second] = devices;
/** Size of a version that takes long enough to be caught on its way. */
export const manyChunksBytes = 12 * 1024 * 1024;
const CHUNKS_SEEN = 5;

export class VersionStory {
  readonly small: SmallFleet;
  #undisturbed: object = {};

  private constructor(small: SmallFleet) {
    this.small = small;
  }

  /** Starts the fleet and tells the story once without a kill. */
  static async start(): Promise<VersionStory> {
    const story = new VersionStory(await SmallFleet.start(devices));
    const { small } = story;
    try {
      story.#undisturbed = await story.#endOf(await small.rollOut(await small.publishNext()));
      return story;
    } catch (error) {
      await small.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.small.stop();
  }

  async activeVersion(): Promise<string> {
    return (await this.small.modelOn(first))!.active!.version;
  }

  /** Rolls out a version of many chunks; resolves in the middle of its download. */
  async inDownload(): Promise<string> {
    const { small } = this;
    const id = await small.rollOut(await small.publishNext({ bytes: manyChunksBytes }));
    await until('some chunks are there', async () =>
      (await small.chunksOn(first)) > CHUNKS_SEEN ? true : undefined,
    );
    return id;
  }

  /** The rollout completes, and everything is as after one that nothing disturbed. */
  async expectSameEnd(id: string): Promise<void> {
    await this.small.allConnected();
    expect(await this.#endOf(id)).toEqual(this.#undisturbed);
    await this.small.expectNothingAcknowledgedLost();
  }

  /** The rollout is rolled back, and every device answers with `version`. */
  async expectRolledBackTo(id: string, version: string): Promise<void> {
    await this.small.allConnected();
    await until(`rollout ${id} is rolled back`, async () => {
      const view: RolloutView = await this.small.rollout(id);
      return view.status === 'rolled-back' ? view : undefined;
    });
    await this.small.settled(version);
    await this.small.expectNothingAcknowledgedLost();
  }

  /** The hub comes to count `wanted` answered requests of the version, and no more. */
  async expectCounted(version: string, wanted: number): Promise<void> {
    const { small } = this;
    await expect.poll(() => small.counted(version), { timeout: 20_000, interval: 200 }).toBe(wanted);
    await small.windowsClosed();
    expect(await small.counted(version)).toBe(wanted);
  }

  /** The end of a rollout that completes, less what names it. */
  async #endOf(id: string): Promise<object> {
    const { small } = this;
    const { status, reason, version, counts } = await small.ended(id);
    expect({ status, reason }).toMatchObject({ status: 'completed' });
    await small.settled(version);
    const models = await Promise.all(devices.map((device) => small.modelOn(device)));
    return {
      status,
      counts,
      models: models.map((one) => ({
        update: one?.update?.state,
        isActive: one?.active?.version === version,
        isQuarantined: one?.quarantined.some((quarantined) => quarantined.version === version),
      })),
    };
  }
}
