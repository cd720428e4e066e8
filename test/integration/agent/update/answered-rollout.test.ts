/** Telemetry names the rollout that a version is here for: evidence belongs to that one. */
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { packedVersion, writeBlobs } from '../../../support/packed-version.ts';
import { ends, reopen } from '../../../support/prepared-device.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { desiredFor, type UpdateDevice } from '../../../support/update-device.ts';

const one = packedVersion({ version: '1.0.0', bytes: 5_000, seed: 1 });
const two = packedVersion({ version: '2.0.0', bytes: 5_000, seed: 2 });

const answers = (device: UpdateDevice, version: string, rollout: string | undefined, offer?: number) =>
  vi.waitFor(
    () => {
      expect(device.served.active?.version).toBe(version);
      expect(device.served.answersFor).toEqual(rollout && { rollout, ...(offer && { offer }) });
    },
    { timeout: 60_000 },
  );

it('a version answers for the rollout that brought it, then for one that only confirms it, after a restart too', async () => {
  const root = await tempFolder();
  const blobs = join(root, 'blobs');
  await writeBlobs(blobs, [one, two]);
  const device = await reopen(join(root, 'device'), blobs);
  device.setDesired(1, [desiredFor(one)]);
  await ends(device, 'committed', '1.0.0');
  await answers(device, '1.0.0', undefined);
  device.setDesired(2, [desiredFor(two, { rollout: 'r-00000001' })]);
  await answers(device, '2.0.0', 'r-00000001');
  await ends(device, 'committed', '2.0.0');
  device.setDesired(3, [desiredFor(two, { rollout: 'r-00000002' })]);
  await answers(device, '2.0.0', 'r-00000002');
  // It was withdrawn and offered again before the device received either statement.
  device.setDesired(5, [desiredFor(two, { rollout: 'r-00000002', offer: 5 })]);
  await answers(device, '2.0.0', 'r-00000002', 5);
  await device.close();
  const restarted = await reopen(join(root, 'device'), blobs);
  await answers(restarted, '2.0.0', 'r-00000002', 5);
  restarted.setDesired(6, [desiredFor(one, { rollout: 'r-00000003', offer: 6 })]);
  await answers(restarted, '1.0.0', 'r-00000003', 6);
}, 180_000);
