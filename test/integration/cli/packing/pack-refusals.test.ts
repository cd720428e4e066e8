/** What `packVersion` refuses; nothing is left behind then. */
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { head, linear, linearFolder, pack, sampleCsv, yaml } from '../../../support/linear-pack-folder.ts';
import { brokenModel, failingModel, linearModel, unknownOperator } from '../../../support/models.ts';
import { makePackFolder } from '../../../support/pack-folder.ts';

describe('packVersion() refuses', () => {
  it.each<[string, Partial<Record<string, string | Uint8Array>>, string, RegExp]>([
    [
      'a folder without model.yaml',
      { 'model.yaml': undefined as never },
      'pack_file_missing',
      /model\.yaml": there is no such file/,
    ],
    [
      'a model file that is absent',
      { 'm.onnx': undefined as never },
      'pack_file_missing',
      /m\.onnx": there is no such file/,
    ],
    [
      'a sample that is absent',
      { 's.csv': undefined as never },
      'pack_file_missing',
      /s\.csv": there is no such file/,
    ],
    [
      'bytes that are no model',
      { 'm.onnx': brokenModel() },
      'model_file_invalid',
      /"m\.onnx": its protobuf is damaged or cut short/,
    ],
    [
      'a git-LFS pointer in place of the model',
      { 'm.onnx': 'version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1807522\n' },
      'model_file_invalid',
      /"m\.onnx": it is a git-LFS pointer, not the file it stands for; run "git lfs pull"/,
    ],
    [
      'a git-LFS pointer in place of the sample',
      { 's.csv': 'version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1807522\n' },
      'sample_invalid',
      /s\.csv": it is a git-LFS pointer/,
    ],
    ['a model ONNX Runtime does not load', { 'm.onnx': unknownOperator() }, 'model_does_not_load', /Gemx/],
    [
      'a model that fails on a sample row',
      { 'm.onnx': failingModel(), 'model.yaml': yaml.replace('[a, b]', '[a]'), 's.csv': 'a\n1\n99\n' },
      'inference_failed',
      /out of data bounds/,
    ],
    [
      'columns the sample lacks',
      { 's.csv': 'd,c\n1,2\n' },
      'sample_invalid',
      /it lacks columns "a", "b"; it has columns "d", "c"/,
    ],
    ['a cell that is no number', { 's.csv': 'a,b\n1,x\n' }, 'sample_invalid', /row 1, column "b" holds "x"/],
    [
      'a sample without a complete row',
      { 's.csv': 'a,b\n1,\n,2\n' },
      'sample_invalid',
      /no row of the sample has all its values/,
    ],
    [
      'golden rows without a sample to take them from',
      { 'model.yaml': `${head}golden: { rows: 2 }\n` },
      'model_yaml_invalid',
      /golden samples need rows from "sample"/,
    ],
    [
      'features for an input there is not',
      { 'model.yaml': yaml.replace('{ x:', '{ z:') },
      'interface_mismatch',
      /"features" names input "z", but the model has "x" FP32/,
    ],
    [
      'too few features',
      { 'model.yaml': yaml.replace('[a, b]', '[a]') },
      'interface_mismatch',
      /names 1 columns, but the model's input has 2/,
    ],
    [
      'a label output there is not',
      { 'model.yaml': `${yaml}label: { output: z, kind: regression }\n` },
      'interface_mismatch',
      /"label.output" names output "z"/,
    ],
    [
      'a declared input the model has not',
      { 'model.yaml': `${yaml}inputs: [{ name: x, datatype: FP64 }]\n` },
      'interface_mismatch',
      /declares input "x" FP64/,
    ],
    [
      'a tolerance for an output there is not',
      { 'model.yaml': `${yaml}tolerances: { z: { absolute: 1, relative: 0 } }\n` },
      'interface_mismatch',
      /"tolerances" names output "z"/,
    ],
    [
      'a unit of a tensor there is not',
      { 'model.yaml': `${yaml}units: { y: ppm, z: K }\n` },
      'interface_mismatch',
      /"units" names "z", but the model has "x" FP32 .*, "y" FP32/,
    ],
  ])('%s', async (_, changes, code, message) => {
    const files = { 'model.yaml': yaml, 'm.onnx': linear, 's.csv': sampleCsv, ...changes };
    const present = Object.entries(files).filter(([, content]) => content !== undefined);
    const folder = await makePackFolder(Object.fromEntries(present) as Record<string, string>);
    await expect(pack(folder)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect((await readdir(folder.path)).filter((name) => name.includes('packed'))).toEqual([]);
  });

  it('the folder of a TensorFlow SavedModel', async () => {
    const folder = await linearFolder(yaml.replace('file: m.onnx', 'file: saved'));
    await mkdir(join(folder.path, 'saved'));
    await folder.write('saved/saved_model.pb', 'x');
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'model_file_invalid',
      message: expect.stringMatching(/"saved": it is a TensorFlow SavedModel; convert it with tf2onnx/),
    });
  });

  it.each(['m.onnx', './m.onnx', 'link.onnx'])('one file as two variants, also called %s', async (name) => {
    const folder = await linearFolder(
      yaml.replace('file: m.onnx', `variants: [{ file: m.onnx }, { file: ${name} }]`),
    );
    await symlink('m.onnx', join(folder.path, 'link.onnx'));
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'interface_mismatch',
      message: expect.stringContaining(`variants "m.onnx" and "${name}" are the same file`),
    });
  });

  it('variants whose interfaces differ', async () => {
    const folder = await linearFolder(
      yaml.replace('file: m.onnx', 'variants: [{ file: m.onnx }, { file: n.onnx }]'),
    );
    await folder.write('n.onnx', linearModel({ outputName: 'other' }));
    await expect(pack(folder)).rejects.toMatchObject({ code: 'interface_mismatch' });
  });

  it('a folder that contains files that do not belong to a packed version', async () => {
    const folder = await linearFolder();
    await expect(pack(folder, { out: folder.path })).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining('contains files that do not belong to a packed version'),
    });
    expect((await readdir(folder.path)).sort()).toEqual(['m.onnx', 'model.yaml', 's.csv']);
  });

  it.each([
    ['a manifest.json of something else', { 'manifest.json': '{"name":"web app"}', 'index.html': 'x' }, '.*'],
    ['a packed version with notes beside it', { 'notes.txt': 'x' }, 'notes.txt'],
  ])('a folder that holds %s', async (_, others, named) => {
    const folder = await linearFolder();
    const { packed } = await pack(folder);
    for (const [name, content] of Object.entries(others)) await writeFile(join(packed.folder, name), content);
    const before = (await readdir(packed.folder)).sort();
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringMatching(new RegExp(`"${named}".*--out`)),
    });
    expect((await readdir(packed.folder)).sort()).toEqual(before);
  });

  it.each(['', 'new'])(
    'a place where nothing can be written, in "%s", saying why and the way out',
    async (parent) => {
      const folder = await linearFolder();
      const out = join(folder.path, parent, 'x'.repeat(250));
      await expect(pack(folder, { out })).rejects.toMatchObject({
        code: 'bad_input',
        message: expect.stringMatching(
          /^Cannot pack into ".*": .*too long.* Name another folder with --out\.$/,
        ),
      });
      expect((await readdir(folder.path)).sort()).toEqual(['m.onnx', 'model.yaml', 's.csv']);
    },
  );

  it('more than the golden samples allowed', async () => {
    const folder = await linearFolder(yaml.replace('{ rows: 2 }', '{ file: g.csv }'));
    await folder.write('g.csv', `a,b\n${'1,2\n'.repeat(limits.goldenSamplesMax + 1)}`);
    await expect(pack(folder)).rejects.toMatchObject({ code: 'too_large' });
  });
});
