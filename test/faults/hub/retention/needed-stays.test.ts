/**
 * Any history of publishers, devices, rollouts, time and kills, against a model of what is needed: a version that is not withdrawn, or
 * that somebody holds on to, has all of its files at each instant; a publisher who was told that a chunk is there, and publishes
 * within the time uploads are kept, is never told that it is missing. When nobody holds on to anything, nothing else is left.
 */
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { type PackedVersion, packedVersion } from '../../../support/packed-version.ts';
import { RetentionWorld } from '../../../support/retention-world.ts';

vi.setConfig({ testTimeout: 120_000 });

const RUNS = Number(process.env['RUNS'] ?? 12);
// Every other version has the bytes of the one before: they share their chunks.
const versions = Array.from({ length: 6 }, (_, i) =>
  packedVersion({ version: `${i + 1}.0.0`, release: i + 1, bytes: 3_000, seed: Math.floor(i / 2) }),
);
const devices = ['d-1', 'd-2'];
type Act = (at: { world: RetentionWorld; model: Model }) => Promise<void>;

/** What must be so. */
class Model {
  readonly published = new Set<PackedVersion>();
  readonly withdrawnAt = new Map<PackedVersion, number>();
  readonly running = new Map<string, PackedVersion>();
  readonly wanted = new Map<string, PackedVersion>();
  readonly rollouts = new Set<PackedVersion>();

  isHeld(packed: PackedVersion): boolean {
    const holders = [...this.running.values(), ...this.wanted.values(), ...this.rollouts];
    return holders.includes(packed);
  }
}

const version = fc.constantFrom(...versions);
const device = fc.constantFrom(...devices);
const minutes = (max: number) => fc.integer({ min: 0, max }).map((n) => n * 60_000);

/** Acts of a history. Releases grow, so that a version below one that is there cannot be published any more. */
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(version, minutes(23 * 60), fc.boolean()).map(([packed, waitMs, isBeside]): Act => {
    return async ({ world, model }) => {
      const newest = Math.max(0, ...[...model.published].map(({ release }) => release));
      if (packed.release <= newest) return;
      await world.publish(packed, async () => {
        world.pass(waitMs);
        await world.collect();
        // What leaves does so while the version is checked and stored.
        if (isBeside) void world.collect();
      });
      model.published.add(packed);
    };
  }),
  version.map(
    (packed): Act =>
      async ({ world }) =>
        void (await world.upload(packed)),
  ),
  version.map(
    (packed): Act =>
      async ({ world, model }) => {
        if (!model.published.has(packed) || model.withdrawnAt.has(packed)) return;
        await world.withdraw(packed);
        model.withdrawnAt.set(packed, world.clock.now());
      },
  ),
  fc.tuple(device, version).map(
    ([id, packed]): Act =>
      async ({ world, model }) => {
        // A device takes what it is to run, or keeps what it has.
        const next = model.wanted.get(id) ?? (model.running.get(id) === packed ? packed : undefined);
        await world.report(id, next ? [next] : []);
        if (next) model.running.set(id, next);
        else model.running.delete(id);
      },
  ),
  fc.tuple(device, version).map(
    ([id, packed]): Act =>
      async ({ world, model }) => {
        const isTaken = model.published.has(packed) && !model.withdrawnAt.has(packed);
        await world.want(id, packed, isTaken);
        if (isTaken) model.wanted.set(id, packed);
        else model.wanted.delete(id);
      },
  ),
  fc.tuple(version, fc.boolean()).map(
    ([packed, isOver]): Act =>
      async ({ world, model }) => {
        if (!model.published.has(packed) || (!isOver && model.withdrawnAt.has(packed))) return;
        await world.rollout(packed, isOver ? 'aborted' : 'running');
        if (isOver) model.rollouts.delete(packed);
        else model.rollouts.add(packed);
      },
  ),
  minutes(20 * 24 * 60).map(
    (ms): Act =>
      async ({ world }) =>
        world.pass(ms),
  ),
  fc.constant<Act>(async ({ world }) => void (await world.collect())),
  fc.integer({ min: 1, max: 30 }).map(
    (step): Act =>
      async ({ world }) => {
        let steps = 0;
        const died = Promise.withResolvers<void>();
        world.killAt = () => {
          steps += 1;
          if (steps === step) died.resolve();
          return steps >= step;
        };
        await Promise.race([world.collect(), died.promise]);
        await world.revive();
      },
  ),
);

it('what a version, a device or a rollout needs stays, whatever happens; what nobody needs leaves', async () => {
  const empty = await RetentionWorld.start();
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 30 }), async (history) => {
      const world = await empty.copy();
      const model = new Model();
      for (const id of devices) await world.report(id, []);
      const check = async () => {
        expect(await world.faults(versions)).toEqual([]);
        const kept = new Set(await world.keptVersions(versions));
        for (const packed of model.published) {
          const withdrawnAt = model.withdrawnAt.get(packed);
          const isNeeded =
            withdrawnAt === undefined ||
            world.clock.now() < withdrawnAt + world.options.withdrawnKeptMs ||
            model.isHeld(packed);
          if (isNeeded) expect(kept, `${packed.version} is needed`).toContain(packed);
        }
      };
      for (const perform of history) {
        await perform({ world, model });
        await check();
      }
      for (const id of devices) {
        await world.report(id, []);
        await world.want(id, versions[0]!, false);
      }
      for (const packed of model.rollouts) await world.rollout(packed, 'aborted');
      await world.settle();
      const stay = [...model.published].filter((packed) => !model.withdrawnAt.has(packed));
      const files = [...new Set(stay.flatMap(({ blobs }) => [...blobs.keys()]))].sort();
      expect(await world.files()).toEqual(files);
      expect(await world.faults(versions)).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});
