/** The work of each state goes wrong: where the update ends, what answers meanwhile, what the hub is told. */
import { rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { AppError } from '../../../shared/base/app-error.ts';
import { limits } from '../../../shared/base/limits.ts';
import { digestOf, packedVersion, writeBlobs } from '../../support/packed-version.ts';
import {
  ends,
  expectUntouched,
  flipBit,
  hastyClock,
  looks,
  prepared,
  reopen,
  rollout,
  update,
  v1,
  v2,
} from '../../support/prepared-device.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { type UpdateDevice, type UpdateDeviceOptions, wishFor } from '../../support/update-device.ts';

const statesOf2 = (device: UpdateDevice) =>
  device
    .events()
    .filter((event) => event.version === '2.0.0')
    .map((event) => event.state);
const lastFault = (device: UpdateDevice) => device.events().at(-1)?.fault;

describe('Error_in_checking', () => {
  const refusals: readonly [string, Partial<UpdateDeviceOptions>, string][] = [
    ['withdrawn by its publisher', { withdrawn: new Set(['2.0.0']) }, 'version_withdrawn'],
    ['not the bytes that were signed', { signed: new Map([['2.0.0', 'a'.repeat(64)]]) }, 'manifest_mismatch'],
  ];
  for (const [what, options, code] of refusals) {
    it(`${what}: refused without a chunk fetched`, async () => {
      const { device } = await prepared(options);
      const asked = device.requested().length;
      device.wish(2, [wishFor(v2, { rollout })]);
      await ends(device, 'rejected');
      expect(statesOf2(device)).toEqual(['checking', 'rejected']);
      expect(lastFault(device)).toMatchObject({ code, retry: 'never' });
      expect(device.requested()).toHaveLength(asked);
      expectUntouched(device);
    });
  }

  it('a version the metadata does not name: nothing of it is fetched, and the hub is waited for', async () => {
    const { device, blobs } = await prepared({}, [v1]);
    const asked = device.requested().length;
    device.wish(2, [wishFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('version_unknown'));
    expect(update(device)?.state).toBe('checking');
    expect(device.requested()).toHaveLength(asked);
    expectUntouched(device);
    await writeBlobs(blobs, [v1, v2]);
    device.updates.notify();
    await ends(device, 'committed');
  });

  it('a lower release than one committed, not kept here: refused; one kept here: taken', async () => {
    const old = packedVersion({ version: '0.9.0', release: 1, seed: 77, bytes: 3000 });
    const first = packedVersion({ version: '1.5.0', release: 3, bytes: 3000 });
    const { device } = await prepared({}, [v1, v2, old, first]);
    device.wish(2, [wishFor(first)]);
    await ends(device, 'committed', '1.5.0');
    device.wish(3, [wishFor(old, { rollout })]);
    await ends(device, 'rejected', '0.9.0');
    expect(lastFault(device)).toMatchObject({ code: 'downgrade_refused', retry: 'never' });
    expect(device.served.active?.version).toBe('1.5.0');
    device.wish(4, [wishFor(v1)]);
    await ends(device, 'committed', '1.0.0');
    expect(device.served.active?.version).toBe('1.0.0');
  });

  it('a wish that was refused is not tried again; a new one of the same parked version is refused at once', async () => {
    const { device, folder, blobs } = await prepared({ withdrawn: new Set(['2.0.0']) });
    device.wish(2, [wishFor(v2, { rollout })]);
    await ends(device, 'rejected');
    device.wish(3, [wishFor(v2, { rollout })]);
    await device.close();
    const again = await reopen(folder, blobs);
    again.wish(3, [wishFor(v2, { rollout })]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(statesOf2(again)).toEqual(['checking', 'rejected']);
    again.wish(4, [wishFor(v2, { rollout: 'r-00000002' })]);
    await vi.waitFor(() => expect(lastFault(again)?.code).toBe('version_parked'));
    expectUntouched(again);
  });
});

describe('Error_in_downloading', () => {
  it('not enough space: says how much is wanted and free, waits, and goes on when there is room', async () => {
    let free = 1000;
    const { device } = await prepared({ freeBytes: async () => free, clock: hastyClock });
    device.wish(2, [wishFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('not_enough_space'));
    expect(update(device)?.fault?.message).toMatch(/needs 16\.5 MiB of disk, 1000 B are free/);
    await looks(device, 20);
    expect(update(device)?.state).toBe('downloading');
    expect(device.updates.report(Date.now())[0]?.parked).toEqual([]);
    expectUntouched(device);
    free = 2 ** 40;
    await ends(device, 'committed');
  });

  it('space for what is still to come: chunks fetched before are not counted again', async () => {
    const bytes = v2.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
    const { device } = await prepared({
      freeBytes: async () => limits.freeSpaceMarginBytes + bytes,
    });
    for (const [digest, chunk] of v2.blobs) await device.chunks.put(digest, chunk);
    device.wish(2, [wishFor(v2, { rollout })]);
    await ends(device, 'committed');
  });

  it('a chunk that decayed before the files were put together: fetched again', async () => {
    const decaying = v2.manifest.files[0]!.chunks[0]!;
    let isDecayed = false;
    const { device, folder } = await prepared({
      onTransition: (_model, state) => {
        if (state !== 'verifying' || isDecayed) return;
        isDecayed = true;
        writeFileSync(join(folder, 'chunks', decaying), 'decayed');
      },
    });
    device.wish(2, [wishFor(v2, { rollout })]);
    await ends(device, 'committed');
    expect(isDecayed).toBe(true);
  });

  it('a chunk the hub lacks: said, waited for, and taken when it is there', async () => {
    const lacking = v2.manifest.files[0]!.chunks[1]!;
    let lacks = true;
    const { device } = await prepared({
      answer: (request, hub) => {
        if (!lacks || !request.chunks.includes(lacking)) return false;
        hub.error({ code: 'missing', retryAfterMs: 1 });
        return true;
      },
    });
    device.wish(2, [wishFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('chunk_missing'));
    expect(update(device)?.state).toBe('downloading');
    expectUntouched(device);
    lacks = false;
    device.updates.notify();
    await ends(device, 'committed');
  });

  it('a hub that no longer offers the version: waited out, not counted', async () => {
    let offers = false;
    const { device } = await prepared({
      answer: (_request, hub) => {
        if (!offers) hub.error({ code: 'not_offered', retryAfterMs: 1 });
        return !offers;
      },
    });
    device.wish(2, [wishFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('version_not_offered'));
    expect(update(device)?.state).toBe('downloading');
    offers = true;
    device.updates.notify();
    await ends(device, 'committed');
  });

  it('a wish that goes back in the middle: the download is given up, and resumed when it comes again', async () => {
    let hangs = true;
    const { device } = await prepared({
      answer: (request, hub) => {
        if (!hangs || request.chunks.includes(v2.manifestSha256)) return false;
        hub.chunk(request.chunks[0]!, v2.blobs.get(request.chunks[0]!)!);
        return true;
      },
    });
    device.wish(2, [wishFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.bytesHave).toBeGreaterThan(0));
    device.wish(3, [wishFor(v1)]);
    await ends(device, 'idle');
    expect(lastFault(device)).toMatchObject({ code: 'desired_changed' });
    expectUntouched(device);
    hangs = false;
    device.wish(4, [wishFor(v2, { rollout })]);
    await ends(device, 'committed');
  });
});

describe('Error_in_verifying', () => {
  it('files that do not come out as the manifest names them: refused', async () => {
    const manifest = structuredClone(v2.manifest);
    manifest.files[0]!.sha256 = 'f'.repeat(64);
    const manifestBytes = Buffer.from(JSON.stringify(manifest));
    const manifestSha256 = digestOf(manifestBytes);
    const lying = {
      ...v2,
      manifest,
      manifestBytes,
      manifestSha256,
      blobs: new Map([...v2.blobs, [manifestSha256, manifestBytes]]),
    };
    const { device } = await prepared({}, [v1, lying]);
    device.wish(2, [wishFor(lying, { rollout })]);
    await ends(device, 'rejected');
    expect(lastFault(device)).toMatchObject({ code: 'artifact_digest_mismatch', retry: 'never' });
    expect(await device.slots.onDisk()).not.toContain(manifestSha256);
    expectUntouched(device);
  });

  it('a manifest that says another release than the desired state: refused', async () => {
    const { device } = await prepared();
    device.wish(2, [wishFor(v2, { release: 9, rollout })]);
    await ends(device, 'rejected');
    expect(lastFault(device)).toMatchObject({ code: 'manifest_mismatch', retry: 'never' });
    expectUntouched(device);
  });
});

describe('Error_in_qualifying', () => {
  it('withdrawn while it was held: refused before its bytes run', async () => {
    const withdrawn = new Set<string>();
    const { device } = await prepared({ withdrawn });
    writeFileSync(device.holdFile, '');
    device.wish(2, [wishFor(v2, { rollout })]);
    await ends(device, 'held');
    withdrawn.add('2.0.0');
    rmSync(device.holdFile);
    await ends(device, 'rejected');
    expect(lastFault(device)).toMatchObject({ code: 'version_withdrawn' });
    expectUntouched(device);
  });

  it('golden samples that come out wrong: refused, and parked at once', async () => {
    const { device } = await prepared();
    device.served.qualifyFault = { code: 'golden_mismatch', message: 'y is 3, wanted 4', retry: 'never' };
    device.wish(2, [wishFor(v2, { rollout })]);
    await ends(device, 'rejected');
    expect(statesOf2(device)).toEqual([
      'checking',
      'downloading',
      'verifying',
      'staged',
      'qualifying',
      'rejected',
    ]);
    expect(lastFault(device)).toMatchObject({ code: 'golden_mismatch' });
    expect(device.updates.report(Date.now())[0]?.parked[0]?.reason).toMatch(/golden_mismatch/);
    expectUntouched(device);
  });

  it('a wish that goes back meanwhile: given up as if nothing had been, not rolled back', async () => {
    const { device } = await prepared();
    const qualify = device.served.qualify.bind(device.served);
    device.served.qualify = async () => {
      device.wish(3, [wishFor(v1)]);
      return qualify();
    };
    device.wish(2, [wishFor(v2, { rollout })]);
    await ends(device, 'idle');
    expect(statesOf2(device).slice(-2)).toEqual(['qualifying', 'idle']);
    expectUntouched(device);
  });

  it.each(['inference_timeout', 'runner_start_timeout', 'disk_full'])(
    'a machine too busy or too full (%s): waited out, the version not parked',
    async (code) => {
      const { device } = await prepared({ clock: hastyClock });
      device.served.qualifyFault = { code, message: 'not now', retry: 'later' };
      device.wish(2, [wishFor(v2, { rollout })]);
      await vi.waitFor(() => expect(update(device)?.fault?.code).toBe(code));
      await looks(device, 20);
      expect(update(device)?.state).toBe('qualifying');
      expect(device.updates.report(Date.now())[0]?.parked).toEqual([]);
      expectUntouched(device);
      device.served.qualifyFault = undefined;
      await ends(device, 'committed');
    },
  );

  it('a runner that crashes: tried three times before it is refused', async () => {
    const { device } = await prepared();
    device.served.qualifyFault = { code: 'runner_crashed', message: 'no memory', retry: 'later' };
    device.wish(2, [wishFor(v2, { rollout })]);
    await ends(device, 'rejected');
    const record = JSON.parse(await readFile(join(device.holdFile, '../state/updates/demo.json'), 'utf8'));
    expect(record.attempt.failures).toBe(2);
  });
});

describe('Error_in_activating', () => {
  it('a full disk: the version before answers, and it is switched when there is room', async () => {
    const { device } = await prepared({ clock: hastyClock });
    const startTrial = device.slots.startTrial.bind(device.slots);
    let fails = 2;
    device.slots.startTrial = async (...args) => {
      fails -= 1;
      if (fails >= 0) throw new AppError('disk_full', 'Cannot write: the disk is full.');
      return startTrial(...args);
    };
    device.wish(2, [wishFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('disk_full'));
    expectUntouched(device);
    await ends(device, 'committed');
    expect(statesOf2(device).at(-1)).toBe('committed');
  });

  it('a version that cannot be served: back on the one before', async () => {
    const { device } = await prepared();
    device.served.serveFault = new AppError('internal', 'The runner did not start.');
    device.wish(2, [wishFor(v2, { rollout })]);
    await ends(device, 'rolled-back');
    expect(statesOf2(device).slice(-3)).toEqual(['activating', 'rolling-back', 'rolled-back']);
    expect(lastFault(device)).toMatchObject({ message: 'The runner did not start.' });
    expectUntouched(device);
  });
});

describe('Error_in_trial', () => {
  const trial = { seconds: 600, minRequests: 10, maxErrorRate: 0.1, maxCrashes: 1 };

  async function inTrial() {
    const made = await prepared();
    made.device.wish(2, [wishFor(v2, { rollout, trial })]);
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
    expect(device.updates.report(Date.now())[0]?.parked).toHaveLength(1);
    expectUntouched(device);
  });

  it('errors over the limit: back, as soon as they cannot be chance', async () => {
    const { device } = await inTrial();
    device.served.figuresNow = { requests: 3, failed: 1, refused: 0, crashes: 0 };
    await new Promise((resolve) => setTimeout(resolve, 1_200));
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

  it('a hub that wants the version before again: back, and the version may be tried again later', async () => {
    const { device } = await inTrial();
    device.wish(3, [wishFor(v1)]);
    await ends(device, 'rolled-back');
    expect(lastFault(device)).toMatchObject({ code: 'desired_changed' });
    expect(device.updates.report(Date.now())[0]?.parked).toEqual([]);
    expectUntouched(device);
    device.wish(4, [wishFor(v2, { rollout })]);
    await ends(device, 'committed');
    await vi.waitFor(() => expect(device.served.active).toEqual({ version: '2.0.0', standby: undefined }));
  });

  it('an order at the device: back, and not taken again for the same wish', async () => {
    const { device } = await inTrial();
    device.updates.orderBack('demo');
    await ends(device, 'rolled-back');
    expect(lastFault(device)).toMatchObject({ code: 'rolled_back_by_operator' });
    device.wish(3, [wishFor(v2, { rollout })]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(update(device)?.state).toBe('rolled-back');
    expectUntouched(device);
  });

  it('a first version that fails leaves nothing that answers', async () => {
    const root = await tempFolder();
    const blobs = join(root, 'blobs');
    await writeBlobs(blobs, [v2]);
    const device = await reopen(join(root, 'device'), blobs);
    device.wish(1, [wishFor(v2, { rollout, trial })]);
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
    device.wish(2, [wishFor(v2)]);
    await vi.waitFor(() => expect(device.slots.of('demo').active?.version).toBe('2.0.0'), { timeout: 5_000 });
    await device.close();
    await flipBit(join(folder, 'slots', v2.manifestSha256, 'model.onnx'));
    const again = await reopen(folder, join(folder, '../blobs'));
    expect(again.served.active?.version).toBe('1.0.0');
    expect(await again.slots.onDisk()).not.toContain(v2.manifestSha256);
    again.wish(2, [wishFor(v2)]);
    await vi.waitFor(() => expect(again.served.active?.version).toBe('2.0.0'), { timeout: 5_000 });
  });

  it('is tried again until it has passed', async () => {
    const { device } = await prepared();
    device.wish(2, [
      wishFor(v2, { trial: { seconds: 600, minRequests: 1, maxErrorRate: 1, maxCrashes: 0 } }),
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
      made.device.wish(sequence + 2, [wishFor(version)]);
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
    expect(device.updates.report(Date.now())[0]).toMatchObject({ active: { version: '3.0.0' }, parked: [] });
  });
});
