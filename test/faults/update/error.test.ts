/** The work of each state goes wrong: where the update ends, what answers meanwhile, what the hub is told. */
import { rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../shared/base/limits.ts';
import { digestOf, packedVersion, writeBlobs } from '../../support/packed-version.ts';
import {
  ends,
  evaluations,
  expectUntouched,
  hastyClock,
  prepared,
  reopen,
  rollout,
  update,
  v1,
  v2,
} from '../../support/prepared-device.ts';
import { desiredFor, type UpdateDevice, type UpdateDeviceOptions } from '../../support/update-device.ts';

const statesOf2 = (device: UpdateDevice) =>
  device
    .events()
    .filter((event) => event.version === '2.0.0')
    .map((event) => event.state);
const golden = { code: 'golden_mismatch_on_device', message: 'y is 3, expected 4', retry: 'never' } as const;
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
      device.setDesired(2, [desiredFor(v2, { rollout })]);
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
    device.setDesired(2, [desiredFor(v2, { rollout })]);
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
    device.setDesired(2, [desiredFor(first)]);
    await ends(device, 'committed', '1.5.0');
    device.setDesired(3, [desiredFor(old, { rollout })]);
    await ends(device, 'rejected', '0.9.0');
    expect(lastFault(device)).toMatchObject({ code: 'downgrade_refused', retry: 'never' });
    expect(device.served.active?.version).toBe('1.5.0');
    device.setDesired(4, [desiredFor(v1)]);
    await ends(device, 'committed', '1.0.0');
    expect(device.served.active?.version).toBe('1.0.0');
  });

  it('a desired version that was refused is not tried again; a new one of the same quarantined version is refused at once', async () => {
    const { device, folder, blobs } = await prepared({ withdrawn: new Set(['2.0.0']) });
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await ends(device, 'rejected');
    device.setDesired(3, [desiredFor(v2, { rollout })]);
    await device.close();
    const again = await reopen(folder, blobs, { clock: hastyClock });
    again.setDesired(3, [desiredFor(v2, { rollout })]);
    await evaluations(again, 2);
    expect(statesOf2(again)).toEqual(['checking', 'rejected']);
    again.setDesired(4, [desiredFor(v2, { rollout: 'r-00000002' })]);
    await vi.waitFor(() => expect(lastFault(again)?.code).toBe('version_quarantined'));
    expectUntouched(again);
  });
});

describe('Error_in_downloading', () => {
  it('not enough space: says how much is wanted and free, waits, and goes on when there is space', async () => {
    let free = 1000;
    const { device } = await prepared({ freeBytes: async () => free, clock: hastyClock });
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('not_enough_space'));
    expect(update(device)?.fault?.message).toMatch(/needs 16\.5 MiB of disk space, but only 1000 B is free/);
    await evaluations(device, 20);
    expect(update(device)?.state).toBe('downloading');
    expect(device.updates.report(Date.now())[0]?.quarantined).toEqual([]);
    expectUntouched(device);
    free = 2 ** 40;
    await ends(device, 'committed');
  });

  it('what a download that was given up has left makes space, what one that waits has fetched stays', async () => {
    const { device } = await prepared();
    for (const [digest, chunk] of v2.blobs) await device.chunks.put(digest, chunk);
    await device.chunks.put('a'.repeat(64), Buffer.from('left by another'));
    await device.download.dropLeftovers(new Set([v2.manifestSha256]), Number.POSITIVE_INFINITY);
    expect(device.chunks.has('a'.repeat(64))).toBe(false);
    expect([...v2.blobs.keys()].every((digest) => device.chunks.has(digest))).toBe(true);
    await device.download.dropLeftovers(new Set(), Date.now() - 60_000);
    expect(device.chunks.has(v2.manifestSha256)).toBe(true);
    await device.download.dropLeftovers(new Set(), Number.POSITIVE_INFINITY);
    expect(device.chunks.has(v2.manifestSha256)).toBe(false);
  });

  it('space for what is still to come: chunks fetched before are not counted again', async () => {
    const bytes = v2.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
    const { device } = await prepared({
      freeBytes: async () => limits.freeSpaceMarginBytes + bytes,
    });
    for (const [digest, chunk] of v2.blobs) await device.chunks.put(digest, chunk);
    device.setDesired(2, [desiredFor(v2, { rollout })]);
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
    device.setDesired(2, [desiredFor(v2, { rollout })]);
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
    device.setDesired(2, [desiredFor(v2, { rollout })]);
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
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('version_not_offered'));
    expect(update(device)?.state).toBe('downloading');
    offers = true;
    device.updates.notify();
    await ends(device, 'committed');
  });

  it('a desired version that goes back in the middle: the download is given up, and resumed when it comes again', async () => {
    let hangs = true;
    const { device } = await prepared({
      answer: (request, hub) => {
        if (!hangs || request.chunks.includes(v2.manifestSha256)) return false;
        hub.chunk(request.chunks[0]!, v2.blobs.get(request.chunks[0]!)!);
        return true;
      },
    });
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await vi.waitFor(() => expect(update(device)?.bytesHave).toBeGreaterThan(0));
    device.setDesired(3, [desiredFor(v1)]);
    await ends(device, 'idle');
    expect(lastFault(device)).toMatchObject({ code: 'desired_changed' });
    expectUntouched(device);
    hangs = false;
    device.setDesired(4, [desiredFor(v2, { rollout })]);
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
    device.setDesired(2, [desiredFor(lying, { rollout })]);
    await ends(device, 'rejected');
    expect(lastFault(device)).toMatchObject({ code: 'artifact_digest_mismatch', retry: 'never' });
    expect(await device.slots.onDisk()).not.toContain(manifestSha256);
    expectUntouched(device);
  });

  it('a manifest that says another release than the desired state: refused', async () => {
    const { device } = await prepared();
    device.setDesired(2, [desiredFor(v2, { release: 9, rollout })]);
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
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await ends(device, 'held');
    withdrawn.add('2.0.0');
    rmSync(device.holdFile);
    await ends(device, 'rejected');
    expect(lastFault(device)).toMatchObject({ code: 'version_withdrawn' });
    expectUntouched(device);
  });

  it('golden samples that come out wrong: refused, and quarantined at once', async () => {
    const { device } = await prepared();
    device.served.qualifyFault = { code: 'golden_mismatch', message: 'y is 3, expected 4', retry: 'never' };
    device.setDesired(2, [desiredFor(v2, { rollout })]);
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
    expect(device.updates.report(Date.now())[0]?.quarantined[0]?.reason).toMatch(/golden_mismatch/);
    expectUntouched(device);
  });

  it('a desired version that goes back meanwhile: given up as if nothing had been, not rolled back', async () => {
    const { device } = await prepared();
    const qualify = device.served.qualify.bind(device.served);
    device.served.qualify = async () => {
      device.setDesired(3, [desiredFor(v1)]);
      return qualify();
    };
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await ends(device, 'idle');
    expect(statesOf2(device).slice(-2)).toEqual(['qualifying', 'idle']);
    expectUntouched(device);
  });

  it.each(['inference_timeout', 'runner_start_timeout', 'disk_full'])(
    'a machine too busy or too full (%s): waited out, the version not quarantined',
    async (code) => {
      const { device } = await prepared({ clock: hastyClock });
      device.served.qualifyFault = { code, message: 'not now', retry: 'later' };
      device.setDesired(2, [desiredFor(v2, { rollout })]);
      await vi.waitFor(() => expect(update(device)?.fault?.code).toBe(code));
      await evaluations(device, 20);
      expect(update(device)?.state).toBe('qualifying');
      expect(device.updates.report(Date.now())[0]?.quarantined).toEqual([]);
      expectUntouched(device);
      device.served.qualifyFault = undefined;
      await ends(device, 'committed');
    },
  );

  it('what failed and was quarantined is tried again at once when it is released, here or by the hub', async () => {
    const { device, folder, blobs } = await prepared();
    device.served.qualifyFault = golden;
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await ends(device, 'rejected');
    const refusals = () => statesOf2(device).filter((state) => state === 'rejected').length;
    expect(device.updates.release('demo')).toEqual([{ model: 'demo', versions: ['2.0.0'] }]);
    await vi.waitFor(() => expect(refusals()).toBe(2));
    device.setDesired(3, [desiredFor(v2, { rollout })], [{ model: 'demo', at: 3 }]);
    await vi.waitFor(() => expect(refusals()).toBe(3));
    await device.close();

    // The same release, received again after a restart, lifts nothing that failed since.
    const again = await reopen(folder, blobs, { clock: hastyClock });
    again.setDesired(4, [desiredFor(v2, { rollout })], [{ model: 'demo', at: 3 }]);
    await evaluations(again, 2);
    expect(again.updates.report(Date.now())[0]?.quarantined).toHaveLength(1);
    again.setDesired(5, [desiredFor(v2, { rollout })], [{ model: 'demo', at: 5 }]);
    await ends(again, 'committed');
    expect(again.updates.report(Date.now())[0]?.quarantined).toEqual([]);
    expect(() => again.updates.release('other')).toThrow(expect.objectContaining({ code: 'not_found' }));
  });

  it('too slow, as on a busy machine: three tries ten minutes apart, whatever the line does meanwhile', async () => {
    let passed = 0;
    const clock = { ...hastyClock, monotonic: () => hastyClock.monotonic() + passed };
    const { device } = await prepared({ clock });
    let tries = 0;
    device.served.qualify = async () => {
      tries += 1;
      return { ok: false, fault: { code: 'too_slow_on_device', message: 'took 50 ms', retry: 'later' } };
    };
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    for (const wanted of [1, 2]) {
      await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('too_slow_on_device'));
      for (let flap = 0; flap < 5; flap += 1) {
        device.updates.notify();
        await evaluations(device, 2);
      }
      expect(tries).toBe(wanted);
      passed += limits.busyMachineMs;
      await vi.waitFor(() => expect(tries).toBe(wanted + 1));
    }
    await ends(device, 'rejected');
    expect(device.updates.report(Date.now())[0]?.quarantined).toHaveLength(1);
    expectUntouched(device);
  });

  it('too slow, and released once more by the hub: tried at once, not in ten minutes', async () => {
    const { device } = await prepared({ clock: hastyClock });
    const failed = { code: 'too_slow_on_device', message: 'took 50 ms', retry: 'later' } as const;
    device.served.qualifyFault = failed;
    device.setDesired(2, [desiredFor(v2, { rollout })], [{ model: 'demo', at: 2 }]);
    await vi.waitFor(() => expect(update(device)?.fault?.code).toBe('too_slow_on_device'));
    device.served.qualifyFault = undefined;
    // Received again, a release changes nothing.
    device.setDesired(3, [desiredFor(v2, { rollout })], [{ model: 'demo', at: 2 }]);
    await evaluations(device, 2);
    expect(update(device)?.state).toBe('qualifying');
    device.setDesired(4, [desiredFor(v2, { rollout })], [{ model: 'demo', at: 4 }]);
    await ends(device, 'committed');
  });

  it('a runner that crashes: tried three times before it is refused', async () => {
    const { device } = await prepared();
    device.served.qualifyFault = { code: 'runner_crashed', message: 'no memory', retry: 'later' };
    device.setDesired(2, [desiredFor(v2, { rollout })]);
    await ends(device, 'rejected');
    const record = JSON.parse(await readFile(join(device.holdFile, '../state/updates/demo.json'), 'utf8'));
    expect(record.attempt.failures).toBe(2);
  });
});
