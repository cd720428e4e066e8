import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { VerifiedFiles } from '../../../../agent/trust/verified-files.ts';
import { DiskReserve } from '../../../../platform/disk-reserve.ts';
import { encodeMetadata, parseMetadata, signMetadata } from '../../../../shared/tuf/metadata-file.ts';
import { fileTarget, makePublisher } from '../../../../shared/tuf/trust-roles.ts';
import { canMount, fillDisk, smallDisk } from '../../../support/small-disk.ts';
import { newKey, TrustWorld } from '../../../support/trust-world.ts';
import { makeWorld, START_MS, TrustingDevice } from '../../../support/trusting-device.ts';

const DAY_MS = 86_400_000;

const codeOf = (code: string) => expect.objectContaining({ code });

describe('VerifiedVersions', () => {
  it('finds a published version and the director key', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    const found = await device.versions.lookUp('air', '1.0.0');
    expect(found).toMatchObject({ model: 'air', version: '1.0.0', manifestBytes: 2 });
    expect(found.manifestSha256).toMatch(/^44136fa3/);
    expect([...(await device.versions.directorKeys()).values()][0]).toContain('BEGIN PUBLIC KEY');
  });

  it('judges expiry by the injected clock, not by the system clock', async () => {
    // Metadata of 2031 is valid in real time for years: only the injected time can find it expired.
    const device = await TrustingDevice.enrol(makeWorld());
    device.nowMs = START_MS + 2 * DAY_MS;
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('metadata_expired'));
    device.nowMs = START_MS;
    await expect(device.versions.lookUp('air', '1.0.0')).resolves.toBeDefined();
  });

  it('names the clock when metadata is valid by the clock of the hub', async () => {
    const device = await TrustingDevice.enrol(makeWorld());
    device.hubMs = START_MS;
    device.nowMs = START_MS + 2 * DAY_MS;
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toMatchObject({
      code: 'clock_skew',
      message: expect.stringMatching(/clock is 2d ahead of the hub's \(2031-05-01.*Set this machine's clock/),
    });
  });

  it('calls metadata expired when it is so by the clock of the hub too', async () => {
    const device = await TrustingDevice.enrol(makeWorld());
    device.nowMs = START_MS + 4 * DAY_MS;
    for (const hubMs of [START_MS + 4 * DAY_MS, START_MS + 3 * DAY_MS]) {
      device.hubMs = hubMs;
      await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('metadata_expired'));
      device.pass(2 * DAY_MS);
    }
  });

  it('notices that metadata verified before has expired since', async () => {
    const device = await TrustingDevice.enrol(makeWorld());
    await device.versions.lookUp('air', '1.0.0');
    device.nowMs = START_MS + 2 * DAY_MS;
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('metadata_expired'));
  });

  it('does not verify again what it has just refused, until the metadata or the clock changes, or much later', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    const scratched = vi.spyOn(VerifiedFiles.prototype, 'inScratch');
    onTestFinished(() => scratched.mockRestore());
    const lookUp = () => device.versions.lookUp('air', '1.0.0').catch(({ code }) => code as string);
    const work = async () => {
      scratched.mockClear();
      const outcome = await lookUp();
      return { outcome, times: scratched.mock.calls.length };
    };
    device.nowMs += 2 * DAY_MS;
    expect(await work()).toMatchObject({ outcome: 'metadata_expired', times: 2 });
    for (let n = 0; n < 5; n += 1) {
      expect(await work()).toMatchObject({ outcome: 'metadata_expired', times: 0 });
    }
    device.pass(31_000);
    expect((await work()).times).toBe(2);
    device.pass(31_000);
    expect((await work()).times).toBe(0);
    device.pass(3_600_000);
    expect((await work()).times).toBe(2);
    device.nowMs = START_MS;
    expect((await work()).outcome).toMatchObject({ version: '1.0.0' });
    device.nowMs += 2 * DAY_MS;
    await work();
    world.nowMs = device.nowMs;
    world.resign();
    world.sendTo(device.versions);
    expect((await work()).outcome).toMatchObject({ version: '1.0.0' });
  });

  it('says which version is unknown', async () => {
    const device = await TrustingDevice.enrol(makeWorld());
    await expect(device.versions.lookUp('air', '9.0.0')).rejects.toEqual(codeOf('version_unknown'));
  });

  it('waits for metadata that arrives after the desired state that needs it', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    const looking = device.versions.lookUp('air', '2.0.0');
    world.publish('air', '2.0.0', 2);
    setTimeout(() => world.sendTo(device.versions), 20);
    await expect(looking).resolves.toMatchObject({ version: '2.0.0' });
  });

  it('starts over when files of two publications arrive mixed', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    const old = world.snapshotFiles();
    world.publish('air', '2.0.0', 2);
    world.sendTo(device.versions);
    device.versions.onTrust('timestamp', old.get('timestamp')!);
    const looking = device.versions.lookUp('air', '2.0.0');
    setTimeout(() => world.sendTo(device.versions), 20);
    await expect(looking).resolves.toMatchObject({ version: '2.0.0' });
  });

  it('tells that the hub has sent nothing', async () => {
    const device = await TrustingDevice.enrol(makeWorld());
    device.versions.onDisconnected();
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('trust_unavailable'));
  });

  it('names why a version was withdrawn', async () => {
    const world = makeWorld();
    world.files.set('publisher', world.nextWithdrawn('air', '1.0.0', 'sensor drift'));
    world.resign();
    const device = await TrustingDevice.enrol(world);
    await expect(device.versions.lookUp('air', '1.0.0')).resolves.toMatchObject({
      withdrawnReason: 'sensor drift',
    });
  });

  it.each(['timestamp', 'snapshot', 'targets', 'publisher'] as const)(
    'refuses %s metadata with one byte changed',
    async (topic) => {
      const world = makeWorld();
      const text = world.files.get(topic)!.toString();
      world.files.set(topic, Buffer.from(text.replace(/"expires":"2/, '"expires":"3')));
      const device = await TrustingDevice.enrol(world);
      await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('signature_invalid'));
    },
  );

  it('refuses publisher metadata signed with a key nobody delegated to', async () => {
    const world = makeWorld();
    world.files.set('publisher', world.next('air', '2.0.0', 2, Buffer.from('{}'), newKey()));
    world.resign();
    const device = await TrustingDevice.enrol(world);
    await expect(device.versions.lookUp('air', '2.0.0')).rejects.toEqual(codeOf('signature_invalid'));
  });

  it('refuses a director file that is not the signed one', async () => {
    const world = makeWorld();
    const stranger = makeWorld();
    world.files.set('director', stranger.files.get('director')!);
    const device = await TrustingDevice.enrol(world);
    await expect(device.versions.directorKeys()).rejects.toEqual(codeOf('signature_invalid'));
  });

  it('does not take director keys from the publisher', async () => {
    const world = makeWorld();
    const stranger = makeWorld();
    const forged = stranger.files.get('director')!;
    const metadata = makePublisher(
      { 'director.json': fileTarget('director.json', forged, { release: 1 }) },
      { version: 3, nowMs: START_MS },
    );
    signMetadata(metadata, [world.publisher]);
    world.files.set('publisher', encodeMetadata(metadata));
    world.files.set('director', forged);
    world.resign();
    const device = await TrustingDevice.enrol(world);
    await expect(device.versions.directorKeys()).rejects.toEqual(codeOf('signature_invalid'));
  });

  it('does not take versions of another model from a publisher limited to one', async () => {
    const world = new TrustWorld({ nowMs: START_MS, model: 'air' });
    world.publish('air', '1.0.0', 1);
    world.publish('water', '1.0.0', 1);
    const device = await TrustingDevice.enrol(world);
    await expect(device.versions.lookUp('air', '1.0.0')).resolves.toBeDefined();
    await expect(device.versions.lookUp('water', '1.0.0')).rejects.toEqual(codeOf('version_unknown'));
  });

  it('refuses replayed old metadata, after a restart too', async () => {
    const world = makeWorld();
    const old = world.snapshotFiles();
    const device = await TrustingDevice.enrol(world);
    world.publish('air', '2.0.0', 2);
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '2.0.0');
    await device.restart();
    for (const [topic, bytes] of old) device.versions.onTrust(topic, bytes);
    device.versions.onTrust(
      'root',
      Buffer.from(JSON.stringify({ v: 1, first: 1, roots: [world.roots[0]!.toString()] })),
    );
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('metadata_rolled_back'));
  });

  it('refuses a newer timestamp over an older snapshot', async () => {
    const world = makeWorld();
    const old = world.snapshotFiles();
    const device = await TrustingDevice.enrol(world);
    world.publish('air', '2.0.0', 2);
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '2.0.0');
    const rewound = new TrustWorld({ nowMs: START_MS, online: world.online });
    for (const [topic, bytes] of old) rewound.files.set(topic, bytes);
    rewound.files.set('snapshot', old.get('snapshot')!);
    const timestamp = parseMetadata('timestamp', old.get('timestamp')!);
    const raised = parseMetadata(
      'timestamp',
      Buffer.from(
        JSON.stringify({ ...timestamp.toJSON(), signed: { ...timestamp.signed.toJSON(), version: 50 } }),
      ),
    );
    signMetadata(raised, [world.online.timestamp]);
    rewound.files.set('timestamp', encodeMetadata(raised));
    for (const [topic, bytes] of rewound.files) device.versions.onTrust(topic, bytes);
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('metadata_rolled_back'));
  });

  it('refuses a newer snapshot that names an older publisher version', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    const oldPublisher = world.files.get('publisher')!;
    world.publish('air', '2.0.0', 2);
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '2.0.0');
    world.files.set('publisher', oldPublisher);
    world.resign();
    world.sendTo(device.versions);
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('metadata_rolled_back'));
  });

  it.runIf(canMount)('verifies what is new on a full disk, by the space set aside', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world, await smallDisk(1_024));
    const reserve = new DiskReserve(join(device.folder, 'reserve'), 256 * 1024);
    await reserve.make();
    device.withFreeSpace = reserve.withFreeSpace;
    await device.restart();
    await fillDisk(device.folder);
    world.sendTo(device.versions);
    expect((await device.versions.lookUp('air', '1.0.0')).version).toBe('1.0.0');
  });

  it.each([
    ['lost', (root: string) => rm(root)],
    ['damaged', (root: string) => writeFile(root, '{"signed":')],
  ])('says of a pinned root that is %s that the device has to be enrolled again', async (_how, harm) => {
    const device = await TrustingDevice.enrol(makeWorld());
    await harm(join(device.folder, 'root.json'));
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toMatchObject({
      code: 'trust_root_lost',
      message: expect.stringContaining('enrol'),
    });
  });

  it('needs no pinned root while what was verified is there', async () => {
    const device = await TrustingDevice.enrol(makeWorld());
    await device.versions.lookUp('air', '1.0.0');
    await rm(join(device.folder, 'root.json'));
    await device.restart();
    expect((await device.versions.directorKeys()).size).toBeGreaterThan(0);
  });

  it('stores nothing that was not verified', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    await device.versions.lookUp('air', '1.0.0');
    const before = await readFile(join(device.folder, 'verified.json'), 'utf8');
    const stranger = makeWorld();
    stranger.publish('air', '2.0.0', 2);
    for (const [topic, bytes] of stranger.files) device.versions.onTrust(topic, bytes);
    await expect(device.versions.lookUp('air', '2.0.0')).rejects.toEqual(codeOf('signature_invalid'));
    expect(await readFile(join(device.folder, 'verified.json'), 'utf8')).toBe(before);
    expect((await readdir(device.folder)).sort()).toEqual(['clock-floor.json', 'root.json', 'verified.json']);
  });

  it.each([
    ['no JSON', 'garbage'],
    ['a root that does not load', JSON.stringify({ v: 1, root: '{}' })],
    ['a set without a root', JSON.stringify({ v: 1 })],
  ])('throws away a stored cache that is %s', async (_what, content) => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    await writeFile(join(device.folder, 'verified.json'), content);
    await expect(device.versions.lookUp('air', '1.0.0')).resolves.toBeDefined();
  });

  it('knows the director keys offline', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    const keys = await device.versions.directorKeys();
    await device.restart();
    await expect(device.versions.directorKeys()).resolves.toEqual(keys);
  });

  it('refuses messages on unknown topics and over the limit', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    device.versions.onTrust('surprise', Buffer.from('{}'));
    device.versions.onTrust('timestamp', Buffer.alloc(3 * 1024 * 1024));
    await expect(device.versions.lookUp('air', '1.0.0')).resolves.toBeDefined();
  });
});
