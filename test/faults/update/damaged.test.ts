/** Files of the agent are damaged while it does not run: it starts, and serves last-known-good (promises P2 and P3). */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { ends, flipBit, prepared, reopen, v2 } from '../../support/prepared-device.ts';
import { wishFor } from '../../support/update-device.ts';

describe('damaged files at start', () => {
  it('a torn journal: last-known-good answers, and the next wish is followed', async () => {
    const { device, folder, blobs } = await prepared();
    await device.close();
    const journal = join(folder, 'state/updates/demo.json');
    await writeFile(journal, (await readFile(journal, 'utf8')).slice(0, 40));
    const again = await reopen(folder, blobs);
    expect(again.served.active?.version).toBe('1.0.0');
    again.wish(2, [wishFor(v2)]);
    await ends(again, 'committed');
    expect(await readFile(`${journal}.unreadable`, 'utf8')).toHaveLength(40);
  });

  it('a torn journal in a trial: the version on trial was not proven, the one before answers', async () => {
    const { device, folder, blobs } = await prepared();
    device.wish(2, [
      wishFor(v2, { trial: { seconds: 600, minRequests: 1, maxErrorRate: 1, maxCrashes: 0 } }),
    ]);
    await ends(device, 'trial');
    await device.close();
    await writeFile(join(folder, 'state/updates/demo.json'), '{');
    const again = await reopen(folder, blobs);
    expect(again.served.active?.version).toBe('1.0.0');
    expect(again.slots.of('demo').trial).toBeUndefined();
  });

  it('a corrupt slot index: the version committed last answers, the ones before are kept', async () => {
    const { device, folder, blobs } = await prepared();
    device.wish(2, [wishFor(v2)]);
    await vi.waitFor(() => expect(device.slots.of('demo').active?.version).toBe('2.0.0'), { timeout: 5_000 });
    await device.close();
    await writeFile(join(folder, 'state/slots.json'), 'not json');
    const again = await reopen(folder, blobs);
    expect(again.slots.wasRebuilt).toBe(true);
    expect(again.served.active?.version).toBe('2.0.0');
    expect(again.slots.of('demo')).toMatchObject({ previous: [{ version: '1.0.0' }], floor: 2 });
  });

  it('a version on trial whose files changed: back on the one before', async () => {
    const { device, folder, blobs } = await prepared();
    device.wish(2, [
      wishFor(v2, { trial: { seconds: 600, minRequests: 1, maxErrorRate: 1, maxCrashes: 0 } }),
    ]);
    await ends(device, 'trial');
    await device.close();
    await flipBit(join(folder, 'slots', v2.manifestSha256, 'model.onnx'));
    const again = await reopen(folder, blobs);
    again.wish(2, [wishFor(v2)]);
    await ends(again, 'rolled-back');
    expect(again.served.active?.version).toBe('1.0.0');
  });
});
