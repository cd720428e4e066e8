/** Folders of the programs' own are made where that is possible, and refused where it is not: never tried for ever. */
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePrivateFolder } from '../../../platform/atomic-file.ts';
import { tempFolder } from '../../support/temp-folder.ts';

describe('a private folder', () => {
  it('is made with its parents, for its owner alone, and may be there already', async () => {
    const folder = join(await tempFolder(), 'a', 'b', 'c');
    await makePrivateFolder(folder);
    await makePrivateFolder(folder);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, '..'))).mode & 0o777).toBe(0o700);
  });

  it('is made by many at once', async () => {
    const folder = join(await tempFolder(), 'a', 'b', 'c');
    const paths = Array.from({ length: 40 }, (_, i) => join(folder, String(i % 4), 'd'));
    await Promise.all(paths.map(makePrivateFolder));
    for (const path of paths) expect((await stat(path)).isDirectory()).toBe(true);
  });

  it('is refused at once where a parent takes no folders', async () => {
    await expect(makePrivateFolder('/proc/modelfleet/hub')).rejects.toMatchObject({ code: 'disk_error' });
    const file = join(await tempFolder(), 'file');
    await writeFile(file, '');
    await expect(makePrivateFolder(file)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makePrivateFolder(join(file, 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});
