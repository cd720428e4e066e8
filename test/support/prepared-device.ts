/** A device with one committed version, for tests of what goes wrong with the next. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../platform/system-clock.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { UpdateState } from '../../shared/protocol/update-event.ts';
import { type PackedVersion, packedVersion, writeBlobs } from './packed-version.ts';
import { tempFolder } from './temp-folder.ts';
import {
  desiredFor,
  openUpdateDevice,
  type UpdateDevice,
  type UpdateDeviceOptions,
} from './update-device.ts';

export const v1 = packedVersion({ version: '1.0.0', bytes: 5000 });
export const v2 = packedVersion({ version: '2.0.0', bytes: limits.chunkBytes + 5000 });
export const rollout = 'r-00000001';

/** A device that has committed 1.0.0; `more` holds for what comes after. */
export async function prepared(
  more: Partial<UpdateDeviceOptions> = {},
  versions: readonly PackedVersion[] = [v1, v2],
) {
  const root = await tempFolder();
  const blobs = join(root, 'blobs');
  const folder = join(root, 'device');
  await writeBlobs(blobs, versions);
  const first = await openUpdateDevice({ folder, blobs });
  first.setDesired(1, [desiredFor(v1)]);
  await ends(first, 'committed', '1.0.0');
  await first.close();
  return { folder, blobs, device: await reopen(folder, blobs, more) };
}

export async function reopen(
  folder: string,
  blobs: string,
  more: Partial<UpdateDeviceOptions> = {},
): Promise<UpdateDevice> {
  const device = await openUpdateDevice({ folder, blobs, ...more });
  onTestFinished(() => device.close());
  return device;
}

export const update = (device: UpdateDevice) => device.updates.report(Date.now())[0]?.update;

/** Waits of the update machine are over in a moment. */
export const hastyClock: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 2), signal),
};

/** Lets the machine look at its situation so many times more. */
export async function evaluations(device: UpdateDevice, times: number): Promise<void> {
  const before = device.evaluations();
  await vi.waitFor(() => expect(device.evaluations()).toBeGreaterThan(before + times), { timeout: 10_000 });
}

/** Waits until the update to `version` is in `state`, and the hub has been told. */
export async function ends(device: UpdateDevice, state: UpdateState, version = '2.0.0'): Promise<void> {
  const told = () => device.events().at(-1);
  await vi.waitFor(() => expect(told()).toMatchObject({ state, version }), { timeout: 10_000, interval: 10 });
}

/** The update has changed nothing of what the device serves. */
export function expectUntouched(device: UpdateDevice): void {
  expect(device.served.active).toMatchObject({ version: '1.0.0' });
  expect(device.slots.of('demo').active?.version).toBe('1.0.0');
}

/** Changes one bit in the middle of a file. */
export async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
}
