/** A hub that is killed at any step of letting things leave, or of an upload and a publish: what is needed stays, what is not leaves later. */
import { describe, expect, it } from 'vitest';
import { type PackedVersion, packedVersion } from '../../../support/packed-version.ts';
import { RetentionWorld } from '../../../support/retention-world.ts';

const DAY_MS = 86_400_000;
const small = (version: string, model = 'demo') => packedVersion({ version, model, bytes: 20_000 });

/** Runs `act` and dies at its step `step`; true when it ended before. */
async function dieAt(world: RetentionWorld, step: number, act: () => Promise<unknown>): Promise<boolean> {
  let steps = 0;
  const died = Promise.withResolvers<false>();
  world.killAt = () => {
    steps += 1;
    if (steps === step) died.resolve(false);
    return steps >= step;
  };
  return Promise.race([act().then(() => true as const), died.promise]);
}

/** Dies at each step of `act` once, on a hub of its own each time, and says how many there were. */
async function dieAtEach(
  before: RetentionWorld,
  act: (world: RetentionWorld) => Promise<unknown>,
  check: (world: RetentionWorld) => Promise<void>,
): Promise<number> {
  for (let step = 1; ; step += 1) {
    const world = await before.copy();
    const hasEnded = await dieAt(world, step, () => act(world));
    if (hasEnded) return step - 1;
    await world.revive();
    await check(world);
  }
}

const named = (...kept: readonly PackedVersion[]) =>
  [...new Set(kept.flatMap(({ blobs }) => [...blobs.keys()]))].sort();

describe('a hub killed in', () => {
  it('letting blobs and the files of a withdrawn version leave goes on where it was', async () => {
    const [bad, good, abandoned] = [small('1.0.0'), small('2.0.0'), small('3.0.0')];
    const before = await RetentionWorld.start();
    await before.publish(bad);
    await before.publish(good);
    await before.withdraw(bad);
    before.clock.advance(before.options.withdrawnKeptMs - DAY_MS);
    await before.upload(abandoned);
    before.clock.advance(DAY_MS);
    const act = async (world: RetentionWorld) => {
      await world.collect();
      world.pass(DAY_MS);
      await world.collect();
    };
    const steps = await dieAtEach(before, act, async (world) => {
      expect(await world.faults([bad, good])).toEqual([]);
      await world.settle();
      expect(await world.faults([bad, good])).toEqual([]);
      expect(await world.files()).toEqual(named(good));
      expect(await world.models.find(bad.model, bad.version)).toHaveProperty('contentLeftAt');
      const rows = await world.database.selectFrom('blob').select('sha256').orderBy('sha256').execute();
      expect(rows.map(({ sha256 }) => sha256)).toEqual(named(good));
    });
    expect(steps).toBeGreaterThan(10);
  });

  it('an upload and a publish has all of the version or nothing, and the publisher can do it again', async () => {
    const [good, next] = [small('1.0.0'), small('2.0.0')];
    const before = await RetentionWorld.start();
    await before.publish(good);
    const publish = (world: RetentionWorld) => world.publish(next);
    const steps = await dieAtEach(before, publish, async (world) => {
      expect(await world.faults([good, next])).toEqual([]);
      if ((await world.keptVersions([next])).length === 0) await world.publish(next);
      expect(await world.keptVersions([next])).toHaveLength(1);
      await world.settle();
      expect(await world.faults([good, next])).toEqual([]);
      expect(await world.files()).toEqual(named(good, next));
    });
    expect(steps).toBeGreaterThan(8);
  });

  it('an upload that nobody goes on with leaves nothing for ever', async () => {
    const [good, next] = [small('1.0.0'), small('2.0.0')];
    const before = await RetentionWorld.start();
    await before.publish(good);
    const upload = (world: RetentionWorld) => world.upload(next);
    await dieAtEach(before, upload, async (world) => {
      await world.settle();
      expect(await world.files()).toEqual(named(good));
      expect((await world.ledger.totals()).filter(({ isReferenced }) => !isReferenced)).toEqual([]);
    });
  });
});
