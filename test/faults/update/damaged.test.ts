/** Files of the agent are damaged while it does not run: it starts, and serves last-known-good (promises P2 and P3). */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { AppError } from '../../../shared/base/app-error.ts';
import {
  ends,
  evaluations,
  flipBit,
  hastyClock,
  prepared,
  reopen,
  v1,
  v2,
} from '../../support/prepared-device.ts';
import { desiredFor, type UpdateDevice } from '../../support/update-device.ts';

describe('damaged files at start', () => {
  it('a torn journal: last-known-good answers, and the next desired version is followed', async () => {
    const { device, folder, blobs } = await prepared();
    await device.close();
    const journal = join(folder, 'state/updates/demo.json');
    await writeFile(journal, (await readFile(journal, 'utf8')).slice(0, 40));
    const again = await reopen(folder, blobs);
    expect(again.served.active?.version).toBe('1.0.0');
    again.setDesired(2, [desiredFor(v2)]);
    await ends(again, 'committed');
    expect(await readFile(`${journal}.unreadable`, 'utf8')).toHaveLength(40);
  });

  it('a torn journal in a trial: the version on trial was not proven, the one before answers', async () => {
    const { device, folder, blobs } = await prepared();
    device.setDesired(2, [
      desiredFor(v2, { trial: { seconds: 600, minRequests: 1, maxErrorRate: 1, maxCrashes: 0 } }),
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
    device.setDesired(2, [desiredFor(v2)]);
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
    device.setDesired(2, [
      desiredFor(v2, { trial: { seconds: 600, minRequests: 1, maxErrorRate: 1, maxCrashes: 0 } }),
    ]);
    await ends(device, 'trial');
    await device.close();
    await flipBit(join(folder, 'slots', v2.manifestSha256, 'model.onnx'));
    const again = await reopen(folder, blobs);
    again.setDesired(2, [desiredFor(v2)]);
    await ends(again, 'rolled-back');
    expect(again.served.active?.version).toBe('1.0.0');
  });
});

describe('a version that does not start with the agent', () => {
  it('is tried again: until it answers, the one before does, and is said to', async () => {
    const { device, folder, blobs } = await prepared();
    device.setDesired(2, [desiredFor(v2)]);
    await vi.waitFor(() => expect(device.slots.of('demo').active?.version).toBe('2.0.0'), { timeout: 5_000 });
    await device.close();
    // A minute of the device is a moment of the test.
    const clock = { ...hastyClock, monotonic: () => hastyClock.monotonic() * 1_000 };
    const busy = new AppError('runner_start_timeout', 'The runner did not start in time.');
    const again = await reopen(folder, blobs, { clock, serveFault: busy });
    const active = () => again.updates.report(Date.now())[0]?.active?.version;
    expect(active()).toBe('1.0.0');
    expect(again.slots.of('demo').active?.version).toBe('2.0.0');
    again.served.serveFault = undefined;
    await vi.waitFor(() => expect(active()).toBe('2.0.0'), { timeout: 5_000 });
  });
});

describe('damaged files while the version runs, found when its runner starts again', () => {
  const damaged = new AppError('slot_damaged', 'Cannot load "model.onnx": its digest is another.');
  const condition = (device: UpdateDevice) =>
    device.conditions.list().find(({ code }) => code === 'version_damaged');

  /** A device that runs 2.0.0, keeps 1.0.0 and has lost its hub when the files of 2.0.0 are damaged. */
  async function damagedAtWork() {
    const { device, folder } = await prepared();
    device.setDesired(2, [desiredFor(v2)]);
    await ends(device, 'committed');
    await vi.waitFor(() => expect(device.slots.of('demo').trial).toBeUndefined());
    device.link.isConnected = false;
    await flipBit(join(folder, 'slots', v2.manifestSha256, 'model.onnx'));
    device.served.serveFault = damaged;
    device.served.onDamaged('demo', v2.manifestSha256);
    return device;
  }

  it('the kept version answers without the hub, and a condition says so', async () => {
    const device = await damagedAtWork();
    await vi.waitFor(() => expect(device.served.active?.version).toBe('1.0.0'));
    expect(device.slots.of('demo')).toMatchObject({ active: { version: '1.0.0' }, previous: [], floor: 2 });
    expect(await device.slots.onDisk()).not.toContain(v2.manifestSha256);
    expect(condition(device)).toMatchObject({
      severity: 'error',
      text: expect.stringContaining('"demo" 2.0.0 were damaged'),
    });
  });

  it('the damaged version is fetched again, proves itself and answers, and the condition ends', async () => {
    const device = await damagedAtWork();
    await vi.waitFor(() => expect(device.served.active?.version).toBe('1.0.0'));
    device.served.serveFault = undefined;
    device.link.isConnected = true;
    device.updates.notify();
    await vi.waitFor(() => expect(device.slots.of('demo').active?.version).toBe('2.0.0'), { timeout: 5_000 });
    expect(device.served.active?.version).toBe('2.0.0');
    await expect(device.slots.verify(v2.manifestSha256)).resolves.toMatchObject({ version: '2.0.0' });
    expect(condition(device)).toBeUndefined();
  });

  it('a model that keeps no other version says that it does not answer, until the version is there again', async () => {
    const { device, folder } = await prepared();
    await flipBit(join(folder, 'slots', v1.manifestSha256, 'model.onnx'));
    const serve = device.served.serve.bind(device.served);
    device.served.serve = async () => {
      throw damaged;
    };
    device.link.isConnected = false;
    device.served.onDamaged('demo', v1.manifestSha256);
    await vi.waitFor(() => expect(device.served.active).toBeUndefined());
    expect(
      device.conditions
        .list()
        .map(({ code }) => code)
        .sort(),
    ).toEqual(['model_not_serving', 'version_damaged']);
    device.served.serve = serve;
    device.link.isConnected = true;
    device.setDesired(2, [desiredFor(v1)]);
    await vi.waitFor(() => expect(device.served.active?.version).toBe('1.0.0'), { timeout: 5_000 });
    expect(device.conditions.list()).toEqual([]);
  });

  it('in a trial the trial decides: news of it changes nothing', async () => {
    const { device } = await prepared();
    device.setDesired(2, [
      desiredFor(v2, { trial: { seconds: 600, minRequests: 1, maxErrorRate: 1, maxCrashes: 0 } }),
    ]);
    await ends(device, 'trial');
    for (const { manifestSha256 } of [v1, v2]) {
      await device.updates.replaceDamaged('demo', manifestSha256);
    }
    await evaluations(device, 3);
    expect(device.served.active).toEqual({ version: '2.0.0', standby: '1.0.0' });
    expect(device.slots.of('demo')).toMatchObject({
      active: { version: '1.0.0' },
      trial: { version: '2.0.0' },
    });
  });
});
