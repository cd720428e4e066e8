import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newKey } from '../../../support/trust-world.ts';
import { makeWorld, TrustingDevice } from '../../../support/trusting-device.ts';

const codeOf = (code: string) => expect.objectContaining({ code });

describe('a device whose hub has a new root', () => {
  it('follows a root signed by the old and the new keys', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    const [oldKey] = world.root;
    world.root = [newKey()];
    world.roots.push(world.makeRootFile({ version: 2, signers: [oldKey!, ...world.root] }));
    world.sendTo(device.versions);
    await device.versions.lookUp('air', '1.0.0');
    const verified = JSON.parse(await readFile(join(device.folder, 'verified.json'), 'utf8'));
    expect(JSON.parse(verified.root).signed.version).toBe(2);
  });

  it.each(['old', 'new'] as const)('refuses a new root signed by the %s keys alone', async (which) => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    const old = world.root;
    world.root = [newKey()];
    world.roots.push(world.makeRootFile({ version: 2, signers: which === 'old' ? old : world.root }));
    world.sendTo(device.versions);
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('signature_invalid'));
  });

  it('refuses a root that skips a version', async () => {
    const world = makeWorld();
    const device = await TrustingDevice.enrol(world);
    world.roots.push(world.makeRootFile({ version: 3, signers: world.root }));
    world.sendTo(device.versions);
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('metadata_rolled_back'));
  });

  it('refuses a root below its threshold', async () => {
    const world = makeWorld({ rootKeys: 3, rootThreshold: 2 });
    const device = await TrustingDevice.enrol(world);
    world.roots.push(world.makeRootFile({ version: 2, signers: world.root.slice(0, 1) }));
    world.sendTo(device.versions);
    await expect(device.versions.lookUp('air', '1.0.0')).rejects.toEqual(codeOf('signature_invalid'));
    world.roots[1] = world.makeRootFile({ version: 2, signers: world.root.slice(1) });
    world.sendTo(device.versions);
    await expect(device.versions.lookUp('air', '1.0.0')).resolves.toBeDefined();
  });
});
