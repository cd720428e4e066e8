/** Something else has filled the disk when the hub asks for the version before. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packedVersion, writeBlobs } from '../../support/packed-version.ts';
import { ends, reopen, rollout } from '../../support/prepared-device.ts';
import { canMount, fillDisk, smallDisk } from '../../support/small-disk.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { desiredFor } from '../../support/update-device.ts';

const v1 = packedVersion({ version: '1.0.0', bytes: 5000 });
const v2 = packedVersion({ version: '2.0.0', bytes: 6000 });

async function onSmallDisk() {
  const blobs = join(await tempFolder(), 'blobs');
  await writeBlobs(blobs, [v1, v2]);
  const root = await smallDisk(4_096);
  const device = await reopen(join(root, 'device'), blobs);
  device.setDesired(1, [desiredFor(v1)]);
  await ends(device, 'committed', '1.0.0');
  return { root, device };
}

describe.runIf(canMount)('A rollback on a full disk', () => {
  it('is gone when the hub asks for it, from a version that was committed', async () => {
    const { root, device } = await onSmallDisk();
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await ends(device, 'committed');
    await fillDisk(root);
    device.setDesired(3, [desiredFor(v1, { rollout: 'r-00000002' })]);
    await ends(device, 'committed', '1.0.0');
    await expect.poll(() => device.slots.of('demo').active?.version, { timeout: 10_000 }).toBe('1.0.0');
    expect(device.served.active?.version).toBe('1.0.0');
  });

  it('is gone when the hub asks for it, from a version on trial', async () => {
    const { root, device } = await onSmallDisk();
    const trial = { seconds: 600, minRequests: 10, maxErrorRate: 0.1, maxCrashes: 1 };
    device.setDesired(2, [desiredFor(v2, { rollout, trial })]);
    await ends(device, 'trial');
    await fillDisk(root);
    device.setDesired(3, [desiredFor(v1)]);
    await ends(device, 'rolled-back');
    expect(device.slots.of('demo')).toMatchObject({ active: { version: '1.0.0' } });
    expect(device.slots.of('demo').trial).toBeUndefined();
  });
});
