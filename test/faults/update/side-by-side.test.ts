/** Several models are updated at once: what one waits for holds up none of the others. */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../shared/base/limits.ts';
import { packedVersion, writeBlobs } from '../../support/packed-version.ts';
import { reopen, rollout } from '../../support/prepared-device.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { desiredFor, type UpdateDevice, type UpdateDeviceOptions } from '../../support/update-device.ts';

const small1 = packedVersion({ model: 'small', version: '1.0.0', bytes: 5000, seed: 1 });
const small2 = packedVersion({ model: 'small', version: '2.0.0', bytes: 6000, seed: 2 });
const other = packedVersion({ model: 'other', version: '1.0.0', bytes: 7000, seed: 3 });
const large = packedVersion({ model: 'large', version: '1.0.0', bytes: 20 * limits.chunkBytes, seed: 4 });

async function opened(more: Partial<UpdateDeviceOptions> = {}) {
  const root = await tempFolder();
  const blobs = join(root, 'blobs');
  await writeBlobs(blobs, [small1, small2, other, large]);
  return reopen(join(root, 'device'), blobs, more);
}

const serves = (device: UpdateDevice, model: string, version: string) =>
  vi.waitFor(() => expect(device.slots.of(model).active?.version).toBe(version), { timeout: 5_000 });
const stateOf = (device: UpdateDevice, model: string) =>
  device.updates.report(Date.now()).find((one) => one.model === model)?.update?.state;

/** Answers nothing that is asked for the large version. */
const stalled: UpdateDeviceOptions['answer'] = (request) => request.manifest === large.manifestSha256;

describe('a download that stalls', () => {
  it('holds up neither the update of another model nor its rollback', async () => {
    const device = await opened({ answer: stalled });
    device.setDesired(1, [desiredFor(small1)]);
    await serves(device, 'small', '1.0.0');
    device.setDesired(2, [desiredFor(small1), desiredFor(large, { rollout })]);
    await vi.waitFor(() => expect(stateOf(device, 'large')).toBe('downloading'));
    device.setDesired(3, [desiredFor(small2), desiredFor(large, { rollout })]);
    await serves(device, 'small', '2.0.0');
    device.setDesired(4, [desiredFor(small1), desiredFor(large, { rollout })]);
    await serves(device, 'small', '1.0.0');
    expect(stateOf(device, 'large')).toBe('downloading');
  });
});

describe('golden samples that run long', () => {
  it('hold up the golden samples of others, but no download and no rollback', async () => {
    const device = await opened();
    device.setDesired(1, [desiredFor(small1)]);
    await serves(device, 'small', '1.0.0');
    device.setDesired(2, [desiredFor(small2)]);
    await serves(device, 'small', '2.0.0');

    const qualify = device.served.qualify.bind(device.served);
    let end: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    device.served.qualify = async (slot) => {
      if (slot?.model === 'large') await over;
      return qualify(slot);
    };
    device.setDesired(3, [desiredFor(small2), desiredFor(large)]);
    await vi.waitFor(() => expect(stateOf(device, 'large')).toBe('qualifying'), { timeout: 5_000 });
    device.setDesired(4, [desiredFor(small1), desiredFor(large), desiredFor(other)]);
    await serves(device, 'small', '1.0.0');
    await vi.waitFor(() => expect(device.chunks.has(other.manifest.files[0]!.chunks[0]!)).toBe(true));
    expect(device.slots.of('other').active).toBeUndefined();
    end();
    await serves(device, 'other', '1.0.0');
    await serves(device, 'large', '1.0.0');
  });
});

describe('space on the disk', () => {
  it('is promised once: two downloads side by side do not count on the same bytes', async () => {
    const bytes = large.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
    const device = await opened({
      answer: stalledChunks(),
      freeBytes: async () => limits.freeSpaceMarginBytes + 2 * bytes + 100,
    });
    device.setDesired(1, [desiredFor(large)]);
    await vi.waitFor(() => expect(device.requested().length).toBeGreaterThan(1));
    device.setDesired(2, [desiredFor(large), desiredFor(other)]);
    const faultOf = () =>
      device.updates.report(Date.now()).find((one) => one.model === 'other')?.update?.fault;
    await vi.waitFor(() => expect(faultOf()?.message).toMatch(/for other downloads in progress/));
    expect(faultOf()?.code).toBe('not_enough_space');
  });

  /** Gives the manifest of the large version and then nothing more of it. */
  function stalledChunks(): UpdateDeviceOptions['answer'] {
    return (request) =>
      request.manifest === large.manifestSha256 && !request.chunks.includes(large.manifestSha256);
  }
});
