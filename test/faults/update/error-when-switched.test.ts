/** The work goes wrong once the version answers: what answers then, and what the hub is told. */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { AppError } from '../../../shared/base/app-error.ts';
import { packedVersion, writeBlobs } from '../../support/packed-version.ts';
import {
  ends,
  evaluations,
  expectUntouched,
  flipBit,
  hastyClock,
  prepared,
  reopen,
  rollout,
  update,
  v1,
  v2,
} from '../../support/prepared-device.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { desiredFor, type UpdateDevice } from '../../support/update-device.ts';

const statesOf2 = (device: UpdateDevice) =>
  device
    .events()
    .filter((event) => event.version === '2.0.0')
    .map((event) => event.state);
const lastFault = (device: UpdateDevice) => device.events().at(-1)?.fault;

describe('Error_in_activating', () => {
  it('a full disk: the version before answers, and it is switched when there is space', async () => {
    const { device } = await prepared({ clock: hastyClock });
    const startTrial = device.slots.startTrial.bind(device.slots);
    let fails = 2;
    device.slots.startTrial = async (...args) => {
      fails -= 1;
      if (fails >= 0) throw new AppError('disk_full', 'Cannot write: the disk is full.');
      return startTrial(...args);
    };
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('disk_full'));
    expectUntouched(device);
    await ends(device, 'committed');
    expect(statesOf2(device).at(-1)).toBe('committed');
  });

  it('a version that cannot be served: back on the one before', async () => {
    const { device } = await prepared();
    device.served.serveFault = new AppError('internal', 'The runner did not start.');
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await ends(device, 'rolled-back');
    expect(statesOf2(device).slice(-3)).toEqual(['activating', 'rolling-back', 'rolled-back']);
    expect(lastFault(device)).toMatchObject({ message: 'The runner did not start.' });
    expectUntouched(device);
  });
});

describe('Error_in_trial', () => {
  const trial = { seconds: 600, minRequests: 10, maxErrorRate: 0.1, maxCrashes: 1 };

  async function inTrial() {
    const made = await prepared({ clock: hastyClock });
    made.device.setDesired(2, [desiredFor(v2, { rollout, trial })]);
    await ends(made.device, 'trial');
    expect(made.device.served.active).toEqual({ version: '2.0.0', standby: '1.0.0' });
    return made;
  }

  it('crashes over the limit: back at once, without the hub', async () => {
    const { device } = await inTrial();
    device.link.isConnected = false;
    device.served.figuresNow = { requests: 1, failed: 0, refused: 0, crashes: 2 };
    await ends(device, 'rolled-back');
    expect(lastFault(device)).toMatchObject({ code: 'trial_crashed' });
    expect(device.updates.report(Date.now())[0]?.quarantined).toHaveLength(1);
    expectUntouched(device);
  });

  it('errors over the limit: back, as soon as they cannot be chance', async () => {
    const { device } = await inTrial();
    device.served.figuresNow = { requests: 3, failed: 1, refused: 0, crashes: 0 };
    await evaluations(device, 2);
    expect(update(device)?.state).toBe('trial');
    device.served.figuresNow = {
      requests: 10,
      failed: 6,
      refused: 0,
      crashes: 0,
      lastError: 'inference_failed',
    };
    await ends(device, 'rolled-back');
    expect(lastFault(device)?.message).toMatch(/6 of 10 requests.*60\.0 %.*Last error: inference_failed\./);
    expectUntouched(device);
  });

  it('requests refused that the version before takes: back, and so named', async () => {
    const { device } = await inTrial();
    device.served.figuresNow = { requests: 13, failed: 0, refused: 329, crashes: 0 };
    await ends(device, 'rolled-back');
    expect(lastFault(device)).toMatchObject({ code: 'trial_requests_refused' });
    expect(lastFault(device)?.message).toContain('329 of 342 requests');
    expectUntouched(device);
  });

  it('nobody who asks: the trial goes on after its time, and ends when requests come', async () => {
    let passed = 0;
    const clock = { ...hastyClock, monotonic: () => hastyClock.monotonic() + passed };
    const { device } = await prepared({ clock });
    device.setDesired(2, [desiredFor(v2, { rollout, trial })]);
    await ends(device, 'trial');
    passed += 2 * trial.seconds * 1_000;
    await evaluations(device, 2);
    expect(update(device)?.state).toBe('trial');
    device.served.figuresNow = { requests: 10, failed: 0, refused: 0, crashes: 0 };
    await ends(device, 'committed');
  });

  it('a hub that wants the version before again: back, and the version may be tried again later', async () => {
    const { device } = await inTrial();
    device.setDesired(3, [desiredFor(v1)]);
    await ends(device, 'rolled-back');
    expect(lastFault(device)).toMatchObject({ code: 'desired_changed' });
    expect(device.updates.report(Date.now())[0]?.quarantined).toEqual([]);
    expectUntouched(device);
    device.setDesired(4, [desiredFor(v2, { rollout })]);
    await ends(device, 'committed');
    await vi.waitFor(() => expect(device.served.active).toEqual({ version: '2.0.0', standby: undefined }));
  });

  it('an order at the device: back, and not taken again for the same desired version', async () => {
    const { device } = await inTrial();
    device.updates.orderBack('demo');
    await ends(device, 'rolled-back');
    expect(lastFault(device)).toMatchObject({ code: 'rolled_back_by_operator' });
    device.setDesired(3, [desiredFor(v2, { rollout })]);
    await evaluations(device, 2);
    expect(update(device)?.state).toBe('rolled-back');
    expectUntouched(device);
  });

  it('a first version that fails leaves nothing that answers', async () => {
    const root = await tempFolder();
    const blobs = join(root, 'blobs');
    await writeBlobs(blobs, [v2]);
    const device = await reopen(join(root, 'device'), blobs);
    device.setDesired(1, [desiredFor(v2, { rollout, trial })]);
    await ends(device, 'trial');
    device.served.figuresNow = { requests: 0, failed: 0, refused: 0, crashes: 5 };
    await ends(device, 'rolled-back');
    expect(device.served.active).toBeUndefined();
    expect(device.slots.of('demo').trial).toBeUndefined();
  });
});

describe('Error_in_rolling-back', () => {
  it('a damaged version before: the one before that answers, and the damaged one is fetched again when wanted', async () => {
    const v3 = packedVersion({ version: '3.0.0', bytes: 4000 });
    const { device, folder } = await prepared({}, [v1, v2, v3]);
    device.setDesired(2, [desiredFor(v2)]);
    await vi.waitFor(() => expect(device.slots.of('demo').active?.version).toBe('2.0.0'), { timeout: 5_000 });
    await device.close();
    await flipBit(join(folder, 'slots', v2.manifestSha256, 'model.onnx'));
    const again = await reopen(folder, join(folder, '../blobs'));
    expect(again.served.active?.version).toBe('1.0.0');
    expect(await again.slots.onDisk()).not.toContain(v2.manifestSha256);
    again.setDesired(2, [desiredFor(v2)]);
    await vi.waitFor(() => expect(again.served.active?.version).toBe('2.0.0'), { timeout: 5_000 });
  });

  it('is tried again until it has passed', async () => {
    const { device } = await prepared();
    device.setDesired(2, [
      desiredFor(v2, { trial: { seconds: 600, minRequests: 1, maxErrorRate: 1, maxCrashes: 0 } }),
    ]);
    await ends(device, 'trial');
    const endTrial = device.slots.endTrial.bind(device.slots);
    let fails = 2;
    device.slots.endTrial = async (model) => {
      fails -= 1;
      if (fails >= 0) throw new AppError('disk_full', 'Cannot write: the disk is full.');
      return endTrial(model);
    };
    device.served.figuresNow = { requests: 0, failed: 0, refused: 0, crashes: 1 };
    await ends(device, 'rolling-back');
    await vi.waitFor(() => expect(device.served.active?.version).toBe('1.0.0'));
    await ends(device, 'rolled-back');
    expect(fails).toBeLessThan(0);
  });
});

describe('Error_in_rolling-back by order', () => {
  const v3 = packedVersion({ version: '3.0.0', bytes: 4000 });

  async function withThree() {
    const made = await prepared({}, [v1, v2, v3]);
    for (const [sequence, version] of [v2, v3].entries()) {
      made.device.setDesired(sequence + 2, [desiredFor(version)]);
      await ends(made.device, 'committed', version.version);
    }
    await vi.waitFor(() => expect(made.device.slots.of('demo').trial).toBeUndefined());
    return made;
  }

  it('the version before cannot be served: the one before that answers, and is said to', async () => {
    const { device } = await withThree();
    const serve = device.served.serve.bind(device.served);
    device.served.serve = async (slot, ...rest) => {
      if (slot.version === '2.0.0') throw new AppError('model_does_not_load', 'No such node.');
      return serve(slot, ...rest);
    };
    device.updates.orderBack('demo');
    await ends(device, 'rolled-back', '3.0.0');
    expect(device.slots.of('demo').active?.version).toBe('1.0.0');
    expect(device.updates.report(Date.now())[0]).toMatchObject({ active: { version: '1.0.0' } });
  });

  it('no version before can be served: what runs stays, and nobody says that it is back', async () => {
    const { device } = await withThree();
    const serve = device.served.serve.bind(device.served);
    device.served.serve = async (slot, ...rest) => {
      if (slot.version !== '3.0.0') throw new AppError('model_does_not_load', 'No such node.');
      return serve(slot, ...rest);
    };
    device.updates.orderBack('demo');
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('no_previous_version'));
    await ends(device, 'committed', '3.0.0');
    expect(device.states()).not.toContain('rolled-back');
    expect(device.updates.report(Date.now())[0]).toMatchObject({
      active: { version: '3.0.0' },
      quarantined: [],
    });
  });
});
