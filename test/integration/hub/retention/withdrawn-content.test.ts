import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chunksNamedBy, copyDatabaseTo } from '../../../../hub/backup/database-copy.ts';
import { DeviceHolders } from '../../../../hub/devices/device-holders.ts';
import { DeviceStore } from '../../../../hub/devices/device-store.ts';
import { packedVersion } from '../../../support/packed-version.ts';
import { DAY_MS, RetentionWorld } from '../../../support/retention-world.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const KEPT_MS = 30 * DAY_MS;
const small = (version: string, more: object = {}) => packedVersion({ version, bytes: 300_000, ...more });
const left = async (world: RetentionWorld) =>
  (await world.collect()).find(({ kind }) => kind === 'withdrawn-versions')!.count;

/** A hub with version 2.0.0, and 1.0.0 withdrawn as long ago as files of such are kept. */
async function withdrawn() {
  const world = await RetentionWorld.start();
  const [bad, good] = [small('1.0.0'), small('2.0.0')];
  for (const packed of [bad, good]) await world.publish(packed);
  await world.withdraw(bad);
  world.clock.advance(KEPT_MS);
  return { world, bad, good };
}

describe('the files of a withdrawn version', () => {
  it('leave after their time, but for what another version names; what the version was stays', async () => {
    const { world, bad, good } = await withdrawn();
    const own = [...bad.blobs].filter(([digest]) => !good.blobs.has(digest));
    world.clock.advance(-1);
    expect(await left(world)).toBe(0);
    world.clock.advance(1);
    expect(await world.retention.preview()).toMatchObject([
      { kind: 'withdrawn-versions', count: 1, bytes: 300_000, oldestAt: world.clock.now() - KEPT_MS },
      { kind: 'unreferenced-blobs', count: 0 },
      {},
    ]);
    expect(await left(world)).toBe(1);
    // For as long as uploads are kept, a publisher who was told that they are there may count on it.
    expect(await world.files()).toEqual([...new Set([...bad.blobs.keys(), ...good.blobs.keys()])].sort());
    expect((await world.ledger.totals()).find(({ isReferenced }) => !isReferenced)).toMatchObject({
      blobs: own.length,
    });
    world.clock.advance(DAY_MS);
    await world.collect();
    expect(await world.files()).toEqual([...good.blobs.keys()].sort());
    expect(await world.faults([bad, good])).toEqual([]);

    const shown = await world.models.find(bad.model, bad.version);
    expect(shown).toMatchObject({ withdrawn: { reason: 'bad' }, contentLeftAt: world.clock.now() - DAY_MS });
    expect(shown?.manifest).toEqual(bad.manifest);
    expect(await world.models.hasChunk(bad.manifestSha256, bad.manifest.files[0]!.chunks[0]!)).toBe(false);
    expect(await world.audit.list({ action: 'version.content_left' })).toMatchObject([
      { actor: 'hub', target: `model/${bad.model}@${bad.version}` },
    ]);
  });

  it('count from when the hub learnt of it, whatever the clock of the publisher says', async () => {
    const world = await RetentionWorld.start();
    const bad = small('1.0.0');
    await world.publish(bad);
    const now = world.clock.now();
    world.clock.now = () => now - 1_000 * DAY_MS;
    const withdraw = world.withdraw(bad);
    world.clock.now = () => now;
    await withdraw;
    expect((await world.models.find(bad.model, bad.version))?.withdrawn?.at).toBe(now - 1_000 * DAY_MS);
    expect(await left(world)).toBe(0);
  });

  it('can be published again, as they were, as another version', async () => {
    const { world, bad, good } = await withdrawn();
    await left(world);
    const same = packedVersion({ version: '3.0.0', bytes: 300_000, seed: bad.release });
    // Before the bytes are gone, and after.
    expect(await world.publish(same)).toBe(0);
    await world.settle();
    expect(await world.faults([bad, good, same])).toEqual([]);
    await world.withdraw(same);
    await world.settle();
    expect(await world.files()).toEqual([...good.blobs.keys()].sort());
    const again = packedVersion({ version: '4.0.0', bytes: 300_000, seed: bad.release });
    expect(await world.publish(again)).toBe(2);
    expect(await world.faults([bad, good, same, again])).toEqual([]);
  });

  it.each<[string, (made: Awaited<ReturnType<typeof withdrawn>>, holds: boolean) => Promise<void>]>([
    ['a device that runs it', ({ world, bad, good }, holds) => world.report('d', holds ? [bad] : [good])],
    [
      'a device that keeps it to roll back to',
      ({ world, bad, good }, holds) => world.report('d', holds ? [good, bad] : [good]),
    ],
    ['a device that is to run it', ({ world, bad }, holds) => world.want('d', bad, holds)],
    [
      'a rollout that is not over',
      ({ world, bad }, holds) => world.rollout(bad, holds ? 'paused' : 'aborted'),
    ],
  ])('stay for %s', async (_name, hold) => {
    const made = await withdrawn();
    const { world, bad, good } = made;
    await world.report('d', [good]);
    await hold(made, true);
    expect(await left(world)).toBe(0);
    expect((await world.retention.preview())[0]).toMatchObject({ count: 0 });
    world.clock.advance(100 * DAY_MS);
    expect(await left(world)).toBe(0);
    expect(await world.faults([bad, good])).toEqual([]);
    await hold(made, false);
    expect((await world.retention.preview())[0]).toMatchObject({ count: 1 });
    expect(await left(world)).toBe(1);
  });

  it('stay for a device that has said nothing and may have been given it, until it speaks or is removed', async () => {
    const { world, good } = await withdrawn();
    await world.report('late', undefined);
    // Enrolled after the withdrawal: it was never given that version.
    expect((await world.retention.preview())[0]).toMatchObject({ count: 1 });
    const enrolledAt = world.clock.now() - KEPT_MS - 1;
    await world.database.updateTable('device').set({ enrolled_at: enrolledAt }).execute();
    expect(await left(world)).toBe(0);
    await world.report('late', [good]);
    expect(await left(world)).toBe(1);
  });

  it('stay while a device is about to take the version', async () => {
    const { world, bad } = await withdrawn();
    await world.report('d', []);
    const update = { version: bad.version, state: 'downloading', since: '2026-01-01T00:00:00Z' };
    const reported = JSON.stringify({
      models: [{ model: bad.model, previous: [], quarantined: [], update }],
    });
    await world.database.updateTable('device').set({ reported }).execute();
    expect(await left(world)).toBe(0);
  });

  it('are not named in a backup made while they leave, nor missed at the next start', async () => {
    const { world, bad, good } = await withdrawn();
    const folder = await tempFolder();
    const copy = async (name: string) => {
      await copyDatabaseTo(join(world.folder, 'hub.db'), join(folder, name));
      return chunksNamedBy(join(folder, name));
    };
    expect([...(await copy('before.db'))]).toEqual(expect.arrayContaining([...bad.blobs.keys()]));
    await world.settle();
    const files = await world.files();
    expect([...(await copy('after.db'))].sort()).toEqual(files);
    expect(files).toEqual([...good.blobs.keys()].sort());
  });
});

describe('DeviceHolders', () => {
  it('walks the fleet once for each device that lets go, and reads one device while none does', async () => {
    const { world, bad, good } = await withdrawn();
    const ids = Array.from({ length: 1_200 }, (_, i) => `d-${String(i).padStart(4, '0')}`);
    await world.database.transaction().execute(async (tx) => {
      for (const id of ids) {
        const holds = ['d-0003', 'd-0700', 'd-1199'].includes(id);
        const installed = (holds ? bad : good).manifestSha256;
        const version = holds ? bad.version : good.version;
        const active = { version, manifest: installed, release: 1 };
        const reported = JSON.stringify({
          models: [{ model: 'demo', active, previous: [], quarantined: [] }],
        });
        await tx
          .insertInto('device')
          .values({
            id,
            device_group: 'default',
            certificate_serial: '1',
            certificate_sha256: '1',
            certificate_expires_at: 0,
            facts: '{}',
            enrolled_at: 0,
            reported,
          })
          .execute();
      }
    });
    const store = new DeviceStore(world.database);
    let pages = 0;
    const { mayHold } = store;
    store.mayHold = (...args) => {
      pages += 1;
      return mayHold.apply(store, args);
    };
    const holders = new DeviceHolders(store);
    const version = { ...bad, knownAt: world.clock.now() };
    const evaluatedAt = async () => {
      pages = 0;
      return [await holders.holderOf(version), pages];
    };
    const letGo = (id: string) => world.report(id, [good]);
    expect(await evaluatedAt()).toEqual(['device/d-0003', 1]);
    expect(await evaluatedAt()).toEqual(['device/d-0003', 0]);
    await letGo('d-0003');
    expect(await evaluatedAt()).toEqual(['device/d-0700', 2]);
    await letGo('d-0700');
    expect(await evaluatedAt()).toEqual(['device/d-1199', 1]);
    await letGo('d-1199');
    expect(await evaluatedAt()).toEqual([undefined, 4]);
  });
});
