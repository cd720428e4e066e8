/** What is packed is what was measured, and what was packed is told from a folder that has changed since. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { measureVersion } from '../../../../cli/packing/measured-version.ts';
import { copyVariant, loadVariants } from '../../../../cli/packing/model-variants.ts';
import { loadModelYaml } from '../../../../cli/packing/model-yaml.ts';
import { checkSources } from '../../../../cli/packing/packed-sources.ts';
import { readPackedVersion } from '../../../../cli/packing/packed-version.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { linearFolder, pack, yaml } from '../../../support/linear-pack-folder.ts';
import { linearModel } from '../../../support/models.ts';
import { npyFile } from '../../../support/pack-folder.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

describe('a model file that changes while it is packed', () => {
  const changed = {
    code: 'pack_outdated',
    message: expect.stringContaining('"m.onnx": the file changed while it was being packed'),
  };

  async function loaded() {
    const folder = await linearFolder();
    const yaml = await loadModelYaml(folder.path);
    const variants = await loadVariants(folder.path, yaml);
    await folder.write('m.onnx', linearModel({ weights: [2, 4] }));
    return { folder, yaml, variants };
  }

  it('is not run', async () => {
    const { folder, ...of } = await loaded();
    const measuring = measureVersion({
      folder: folder.path,
      ...of,
      skipGoldenCheck: false,
      logger: makeLogger('test', 'silent'),
    });
    await expect(measuring).rejects.toMatchObject(changed);
  });

  it('is not packed', async () => {
    const { variants } = await loaded();
    await expect(copyVariant(variants[0]!, await tempFolder())).rejects.toMatchObject(changed);
  });
});

describe('checkSources()', () => {
  const source = `${yaml.replace('{ rows: 2 }', '{ arrays: { x: g.npy }, expected: { y: w.npy } }')}`;
  const files = { 'g.npy': npyFile([1, 2], [1, 2]), 'w.npy': npyFile([1, 1], [8]) };

  it.each(['model.yaml', 'm.onnx', 's.csv', 'g.npy', 'w.npy'])('sees that %s has changed', async (name) => {
    const folder = await linearFolder(source);
    for (const [file, content] of Object.entries(files)) await folder.write(file, content);
    const { packed } = await pack(folder);
    expect((await checkSources(folder.path, packed.folder)).getTime()).toBe(Date.UTC(2026, 0, 2));
    await folder.write(name, Buffer.concat([await readFile(join(folder.path, name)), Buffer.from('\n')]));
    await expect(checkSources(folder.path, packed.folder)).rejects.toMatchObject({
      code: 'pack_outdated',
      message: expect.stringContaining(`"${name}" has changed`),
    });
  });

  it('does not vouch for a version that does not say what it was packed from', async () => {
    const folder = await linearFolder();
    const { packed } = await pack(folder);
    await rm(join(packed.folder, '.sources.json'));
    await expect(checkSources(folder.path, packed.folder)).rejects.toMatchObject({ code: 'pack_outdated' });
  });
});

describe('readPackedVersion() refuses', () => {
  it('a folder that was never packed', async () => {
    const folder = await linearFolder();
    await expect(readPackedVersion(folder.path)).rejects.toMatchObject({ code: 'pack_invalid' });
  });

  it('a model with one byte changed', async () => {
    const { packed } = await pack(await linearFolder());
    const path = join(packed.folder, 'm.onnx');
    const bytes = await readFile(path);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(path, bytes);
    await expect(readPackedVersion(packed.folder)).rejects.toMatchObject({
      code: 'pack_invalid',
      message: expect.stringMatching(/its digest is [0-9a-f]{64}/),
    });
  });

  it('a manifest whose golden file is none of its files', async () => {
    const { packed } = await pack(await linearFolder());
    const manifest = { ...packed.manifest, golden: { ...packed.manifest.golden, file: 'other.json' } };
    await writeFile(join(packed.folder, 'manifest.json'), JSON.stringify(manifest));
    await expect(readPackedVersion(packed.folder)).rejects.toMatchObject({ code: 'pack_invalid' });
  });
});
