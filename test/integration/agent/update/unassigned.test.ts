/** A model that the hub takes off the device: it is given up whole, and nothing else is. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../../platform/system-clock.ts';
import type { Clock } from '../../../../shared/base/clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { packedVersion, writeBlobs } from '../../../support/packed-version.ts';
import { reopen } from '../../../support/prepared-device.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { desiredFor, type UpdateDevice, type UpdateDeviceOptions } from '../../../support/update-device.ts';

const line1 = packedVersion({ model: 'line', version: '1.0.0', release: 1, bytes: 5000, seed: 1 });
const line2 = packedVersion({ model: 'line', version: '2.0.0', release: 2, bytes: 6000, seed: 2 });
const other = packedVersion({ model: 'other', version: '1.0.0', bytes: 7000, seed: 3 });
const pollTimeout = { timeout: 20_000 };

async function opened(more: Partial<UpdateDeviceOptions> = {}) {
  const root = await tempFolder();
  const folder = join(root, 'device');
  const blobs = join(root, 'blobs');
  await writeBlobs(blobs, [line1, line2, other]);
  const device = await reopen(folder, blobs, more);
  return { device, folder, again: () => reopen(folder, blobs, more) };
}

const serves = (device: UpdateDevice, model: string, version: string) =>
  vi.waitFor(() => expect(device.slots.of(model).active?.version).toBe(version), pollTimeout);
const reported = (device: UpdateDevice) => device.updates.report(Date.now()).map(({ model }) => model);
const journal = (folder: string, model: string) => join(folder, `state/updates/${model}.json`);
const slot = (folder: string, { manifestSha256 }: { manifestSha256: string }) =>
  join(folder, 'slots', manifestSha256);

describe('a model that is taken off the device', () => {
  it('answers no more and leaves nothing but its floor; other models go on', async () => {
    const { device, folder } = await opened();
    device.setDesired(1, [desiredFor(line1), desiredFor(other)]);
    await serves(device, 'line', '1.0.0');
    await serves(device, 'other', '1.0.0');
    device.setDesired(2, [desiredFor(line2), desiredFor(other)]);
    await serves(device, 'line', '2.0.0');
    device.setDesired(3, [desiredFor(other)], [], ['line']);
    await vi.waitFor(() => expect(reported(device)).toEqual(['other']), pollTimeout);
    expect(device.served.serving('line')).toBeUndefined();
    expect(device.served.serving('other')).toBe(other.manifestSha256);
    for (const gone of [journal(folder, 'line'), slot(folder, line1), slot(folder, line2)]) {
      expect(existsSync(gone)).toBe(false);
    }
    expect(existsSync(slot(folder, other))).toBe(true);
    expect(device.slots.of('line')).toEqual({ previous: [], floor: 2 });
    expect(device.conditions.list()).toEqual([]);
  });

  it('is given up in the middle of its download', async () => {
    const { device } = await opened({ answer: (request) => request.manifest === line1.manifestSha256 });
    device.setDesired(1, [desiredFor(line1)]);
    const state = () => device.updates.report(Date.now())[0]?.update?.state;
    await vi.waitFor(() => expect(state()).toBe('downloading'), pollTimeout);
    device.setDesired(2, [], [], ['line']);
    await vi.waitFor(() => expect(reported(device)).toEqual([]), pollTimeout);
  });

  it('is given up after the agent was killed in the middle of it, by the statement that was stored', async () => {
    const { device, folder, again } = await opened();
    device.setDesired(1, [desiredFor(line1)]);
    await serves(device, 'line', '1.0.0');
    await device.slots.discard('line');
    await device.close();
    const next = await again();
    expect(reported(next)).toEqual(['line']);
    next.setDesired(2, [], [], ['line']);
    await vi.waitFor(() => expect(reported(next)).toEqual([]), pollTimeout);
    expect(existsSync(journal(folder, 'line'))).toBe(false);
    await next.close();
    expect(reported(await again())).toEqual([]);
  });

  it('is given up at the next try when the disk did not let it go', async () => {
    // Waits a minute in between; here each wait is short.
    const sleep: Clock['sleep'] = (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal);
    const { device } = await opened({ clock: { ...systemClock, sleep } });
    device.setDesired(1, [desiredFor(line1)]);
    await serves(device, 'line', '1.0.0');
    const fails = vi.spyOn(device.slots, 'discard').mockRejectedValueOnce(new Error('disk error'));
    device.setDesired(2, [], [], ['line']);
    await vi.waitFor(() => expect(reported(device)).toEqual([]), pollTimeout);
    expect(fails).toHaveBeenCalledTimes(2);
    expect(device.slots.of('line').active).toBeUndefined();
  });

  it('comes back when it is assigned again, also while it is being given up, and not below its floor', async () => {
    const { device } = await opened();
    device.setDesired(1, [desiredFor(line2)]);
    await serves(device, 'line', '2.0.0');
    device.setDesired(2, [], [], ['line']);
    device.setDesired(3, [desiredFor(line2)]);
    await vi.waitFor(() => expect(device.served.serving('line')).toBe(line2.manifestSha256), pollTimeout);
    device.setDesired(4, [], [], ['line']);
    await vi.waitFor(() => expect(reported(device)).toEqual([]), pollTimeout);
    device.setDesired(5, [desiredFor(line1)]);
    const fault = () => device.updates.report(Date.now())[0]?.update?.fault?.code;
    await vi.waitFor(() => expect(fault()).toBe('downgrade_refused'), pollTimeout);
  });

  it('makes space for another where the device has as many as it may', async () => {
    const { device } = await opened();
    const names = Array.from({ length: limits.modelsPerDeviceMax }, (_, n) => `m${n}`);
    device.setDesired(
      1,
      names.map((model) => desiredFor(line1, { model })),
    );
    device.setDesired(
      2,
      [...names.slice(1).map((model) => desiredFor(line1, { model })), desiredFor(other)],
      [],
      ['m0'],
    );
    await serves(device, 'other', '1.0.0');
    expect(reported(device)).not.toContain('m0');
  });
});
