import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeMetadata, parseMetadata, signMetadata } from '../../../../shared/tuf/metadata-file.ts';
import { makeWorld, START_MS, TrustingDevice } from '../../../support/trusting-device.ts';

const DAY_MS = 86_400_000;
const codeOf = (code: string) => expect.objectContaining({ code });

describe('the time that signed metadata proves', () => {
  it('keeps a clock floor from verified time, over a restart, for a clock that was reset', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    world.nowMs += 5 * DAY_MS;
    world.resign();
    device.nowMs = world.nowMs;
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '1.0.0');
    device.nowMs = 0;
    await device.restart();
    expect(device.floor.now()).toBe(START_MS + 5 * DAY_MS);
    const old = makeWorld();
    expect(old.nowMs).toBeLessThan(device.floor.now());
  });

  it('a hub whose clock was 30 days ahead for a minute stops nothing: its next timestamp corrects that', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    await device.versions.lookUp('air', '1.0.0');
    world.nowMs = START_MS + 30 * DAY_MS;
    world.publish('air', '2.0.0', 2);
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '2.0.0');
    expect(device.floor.now()).toBe(START_MS + 30 * DAY_MS);

    world.nowMs = START_MS + 60_000;
    device.nowMs = START_MS + 60_000;
    world.publish('air', '3.0.0', 3);
    world.sendTo(device.versions);
    await expect(device.versions.lookUp('air', '3.0.0')).resolves.toMatchObject({ version: '3.0.0' });
    expect(device.floor.now()).toBe(START_MS + 60_000);
    await device.restart();
    expect(device.floor.now()).toBe(START_MS + 60_000);
  });

  it('corrects the wrong time though it was killed between storing the newer timestamp and following it', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    await device.versions.lookUp('air', '1.0.0');
    world.nowMs = START_MS + 30 * DAY_MS;
    world.resign();
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '1.0.0');
    const floorFile = join(device.folder, 'clock-floor.json');
    const ahead = await readFile(floorFile);
    world.nowMs = START_MS + 60_000;
    device.nowMs = world.nowMs;
    world.publish('air', '2.0.0', 2);
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '2.0.0');

    await writeFile(floorFile, ahead);
    await device.restart();
    expect(device.floor.now()).toBe(START_MS + 30 * DAY_MS);
    world.sendTo(device.versions);
    await expect(device.versions.lookUp('air', '2.0.0')).resolves.toMatchObject({ version: '2.0.0' });
    expect(device.floor.now()).toBe(START_MS + 60_000);
  });

  it('judges another timestamp of the stored version at no earlier time', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    await device.versions.lookUp('air', '1.0.0');
    world.nowMs = START_MS + 30 * DAY_MS;
    world.resign();
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '1.0.0');
    // Of a stolen key: the same version once more, from before the files around it had expired.
    const again = parseMetadata('timestamp', world.files.get('timestamp')!);
    again.signed.unrecognizedFields['issued'] = new Date(START_MS).toISOString();
    signMetadata(again, [world.online.timestamp]);
    const judgedAt: number[] = [];
    const { floor } = device;
    const { timeOfNewer } = floor;
    floor.timeOfNewer = (ms) => {
      judgedAt.push(ms);
      return timeOfNewer.call(floor, ms);
    };
    device.versions.onTrust('timestamp', encodeMetadata(again));
    await device.versions.lookUp('air', '1.0.0');
    expect(judgedAt).toEqual([]);
    expect(floor.now()).toBe(START_MS + 30 * DAY_MS);
  });

  it('an older timestamp corrects nothing, nor one that only says to be newer', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    await device.versions.lookUp('air', '1.0.0');
    const old = world.snapshotFiles();
    world.nowMs = START_MS + 30 * DAY_MS;
    world.resign();
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '1.0.0');
    // Replayed, on a device whose own clock has lost the time.
    device.nowMs = 0;
    for (const [topic, bytes] of old) device.versions.onTrust(topic, bytes);
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('metadata_rolled_back'));
    const forged = JSON.parse(old.get('timestamp')!.toString());
    forged.signed.version = 99;
    device.versions.onTrust('timestamp', Buffer.from(JSON.stringify(forged)));
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('signature_invalid'));
    expect(device.floor.now()).toBe(START_MS + 30 * DAY_MS);
  });

  it('does not let a timestamp key put the clock past the expiry of what it verified', async () => {
    const world = makeWorld();
    const timestamp = parseMetadata('timestamp', world.files.get('timestamp')!);
    timestamp.signed.unrecognizedFields['issued'] = '2099-01-01T00:00:00Z';
    signMetadata(timestamp, [world.online.timestamp]);
    world.files.set('timestamp', encodeMetadata(timestamp));
    const device = await TrustingDevice.enrol(world);
    await device.versions.lookUp('air', '1.0.0');
    expect(device.floor.now()).toBe(START_MS);
  });
});
