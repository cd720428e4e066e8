import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../../platform/atomic-file.ts';
import { DiskReserve } from '../../../platform/disk-reserve.ts';
import { canMount, fillDisk, smallDisk } from '../../support/small-disk.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const BYTES = 64 * 1024;

describe('DiskReserve', () => {
  it.runIf(canMount)(
    'lets a write through on a disk that others filled, and is made again later',
    async () => {
      const root = await smallDisk(512);
      const file = join(root, 'reserve');
      const reserve = new DiskReserve(file, BYTES);
      await reserve.make();
      const giveBack = await fillDisk(root);
      const write = () => writeFileAtomic(join(root, 'file'), Buffer.alloc(BYTES / 2, 7));
      await expect(write()).rejects.toMatchObject({ code: 'disk_full' });
      await reserve.withFreeSpace(write);
      expect(await readFile(join(root, 'file'))).toEqual(Buffer.alloc(BYTES / 2, 7));
      await expect(reserve.make()).rejects.toMatchObject({ code: 'disk_full' });
      await giveBack();
      await reserve.make();
      expect((await stat(file)).size).toBe(BYTES);
    },
  );

  it.runIf(canMount)('says that the disk is full when it has nothing left to give', async () => {
    const root = await smallDisk(512);
    const reserve = new DiskReserve(join(root, 'reserve'), BYTES);
    await fillDisk(root);
    const write = () => writeFileAtomic(join(root, 'file'), Buffer.alloc(BYTES));
    await expect(reserve.withFreeSpace(write)).rejects.toMatchObject({ code: 'disk_full' });
  });

  it('stays whole when a write fails for anything else', async () => {
    const file = join(await tempFolder(), 'reserve');
    const reserve = new DiskReserve(file, BYTES);
    await reserve.make();
    let times = 0;
    const write = async () => {
      times += 1;
      throw new Error('no such device');
    };
    await expect(reserve.withFreeSpace(write)).rejects.toThrow('no such device');
    expect(times).toBe(1);
    expect((await stat(file)).size).toBe(BYTES);
  });
});
