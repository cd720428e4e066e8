/** Packs folders with small models, run by the real ONNX Runtime in a runner process. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { measureVersion } from '../../../../cli/packing/measured-version.ts';
import { copyVariant, loadVariants } from '../../../../cli/packing/model-variants.ts';
import { loadModelYaml } from '../../../../cli/packing/model-yaml.ts';
import { type PackResult, packVersion } from '../../../../cli/packing/pack.ts';
import { checkSources } from '../../../../cli/packing/packed-sources.ts';
import { readPackedVersion } from '../../../../cli/packing/packed-version.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { tensorValues } from '../../../../shared/inference/exact-values.ts';
import { parseGoldenFile } from '../../../../shared/manifest/golden-file.ts';
import {
  brokenModel,
  classifierModel,
  crashingModel,
  failingModel,
  float16Model,
  identityModel,
  largeModel,
  linearModel,
  statefulModel,
} from '../../../support/models.ts';
import { makePackFolder, npyFile, type PackFolder } from '../../../support/pack-folder.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const head = 'model: m\nversion: 1.2.0\nrelease: 3\nfile: m.onnx\n';
const sampleCsv = 'a,b,y\n1,2,8\n3,4,18\n,6,0\n7,8,38\n';
const linear = linearModel({ weights: [2, 3] });
const yaml = `${head}features: { x: [a, b] }\nsample: { file: s.csv }\ngolden: { rows: 2 }\n`;

const pack = (
  folder: PackFolder,
  options: { out?: string; skipGoldenCheck?: boolean } = {},
): Promise<PackResult> =>
  packVersion({
    folder: folder.path,
    now: Date.UTC(2026, 0, 2),
    logger: makeLogger('test', 'silent'),
    ...options,
  });

const linearFolder = (text = yaml) =>
  makePackFolder({ 'model.yaml': text, 'm.onnx': linear, 's.csv': sampleCsv });

describe('packVersion()', () => {
  it('writes manifest, model and golden file whose digests hold', async () => {
    const folder = await linearFolder();
    const { packed, goldenSamples, remarks } = await pack(folder);
    expect(packed.folder).toBe(join(folder.path, 'packed'));
    expect((await readdir(packed.folder)).sort()).toEqual([
      '.sources.json',
      'golden.json',
      'm.onnx',
      'manifest.json',
    ]);
    expect(packed.manifest).toMatchObject({
      v: 1,
      model: 'm',
      version: '1.2.0',
      release: 3,
      created: '2026-01-02T00:00:00.000Z',
      interface: {
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
      },
      variants: [{ file: 'm.onnx', precision: 'fp32', providers: ['cpu'] }],
      golden: { file: 'golden.json', tolerances: { y: { absolute: 1e-4, relative: 1e-3 } } },
    });
    const model = packed.files.find((file) => file.entry.role === 'model')!;
    expect(model.entry.sha256).toBe(createHash('sha256').update(linear).digest('hex'));
    expect(goldenSamples).toBe(2);
    expect(remarks).toEqual([
      '1 of 4 sample rows lack a value and were not run',
      'the profile has 3 rows, and drift is judged from 50 rows on: it will say "too-few" until the sample has that many',
    ]);
  });

  it('writes the manifest as canonical JSON: the same folder gives the same bytes', async () => {
    const folder = await linearFolder();
    const first = await pack(folder);
    const again = await pack(folder);
    expect(again.packed.manifestSha256).toBe(first.packed.manifestSha256);
    expect(Buffer.from(first.packed.manifestBytes).toString().startsWith('{"created":')).toBe(true);
  });

  it('computes golden outputs and profiles by running the model', async () => {
    const { packed } = await pack(await linearFolder());
    const golden = parseGoldenFile(await readFile(join(packed.folder, 'golden.json')));
    expect(golden.samples.map(({ inputs, outputs }) => [numbers(inputs[0]!), numbers(outputs[0]!)])).toEqual([
      [[1, 2], [8]],
      [[7, 8], [38]],
    ]);
    const [a, b, y] = packed.manifest.profile!.features;
    expect(a).toMatchObject({ name: 'a', role: 'input', missing: 1, moments: { n: 3 } });
    expect(b).toMatchObject({ name: 'b', missing: 0, moments: { n: 4 } });
    expect(y).toMatchObject({ name: 'y', role: 'output', edges: [13, 28], counts: [1, 1, 1] });
  });

  it('holds the model to expected outputs, and refuses with the worst difference', async () => {
    const text = `${yaml.replace('{ rows: 2 }', '{ file: g.csv, expected: { y: [y] } }')}`;
    const folder = await linearFolder(text);
    await folder.write('g.csv', 'a,b,y\n1,2,8\n3,4,18.5\n7,8,40\n');
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'golden_mismatch',
      message: expect.stringMatching(
        /2 of 3 golden samples are wrong; worst is sample 3, output "y" element 0 is 38, wanted is 40 ±/,
      ),
    });
    expect(await readdir(folder.path)).not.toContain('packed');

    const { packed } = await pack(folder, { skipGoldenCheck: true });
    const golden = parseGoldenFile(await readFile(join(packed.folder, 'golden.json')));
    expect(golden.samples.map(({ outputs }) => numbers(outputs[0]!))).toEqual([[8], [18.5], [40]]);
  });

  it('packs several inputs, states and a scalar', async () => {
    const folder = await makePackFolder({
      'model.yaml': `${head}sample:
  arrays: { input: frames.npy }
  fill: { state: { value: 0.5, shape: [2, 1, 4] }, sr: { value: 16000 } }
golden: { rows: 1 }
`,
      'm.onnx': statefulModel(),
      'frames.npy': npyFile([3, 4], [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]),
    });
    const { packed } = await pack(folder);
    const golden = parseGoldenFile(await readFile(join(packed.folder, 'golden.json')));
    expect(golden.samples[0]!.inputs.map((t) => [t.name, t.shape])).toEqual([
      ['input', [1, 4]],
      ['state', [2, 1, 4]],
      ['sr', []],
    ]);
    expect(numbers(golden.samples[0]!.outputs[0]!)).toEqual([32_000]);
    expect(packed.manifest.profile!.features.map((f) => f.name)).toEqual([
      'input mean',
      'input stddev',
      'output',
    ]);
  });

  it('packs FP16 tensors as their raw bytes', async () => {
    const folder = await makePackFolder({
      'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\ngolden: { rows: 1 }\n`,
      'm.onnx': float16Model(),
      's.csv': 'a,b\n1,0.5\n',
    });
    const { packed } = await pack(folder);
    expect(packed.manifest.variants[0]!.precision).toBe('fp16');
    const golden = parseGoldenFile(await readFile(join(packed.folder, 'golden.json')));
    expect(Buffer.from(golden.samples[0]!.outputs[0]!.data, 'base64')).toEqual(
      Buffer.from([0, 0x40, 0, 0x3c]),
    );
  });

  it('profiles an int64 label as categories, seen or not', async () => {
    const folder = await makePackFolder({
      'model.yaml': `${head}classes: [p, q, r]\nfeatures: { x: [a, b] }\nsample: { file: s.csv }\ngolden: { rows: 2 }\nlabel: { output: label, kind: classification }\n`,
      'm.onnx': classifierModel(),
      's.csv': 'a,b\n3,0\n0,3\n4,0\n',
    });
    const { packed } = await pack(folder);
    const label = packed.manifest.profile!.features.find((f) => f.name === 'label');
    expect(label).toMatchObject({ kind: 'categorical', categories: ['0', '1', '2'], counts: [2, 1, 0] });
    expect(packed.manifest.golden.tolerances['label']).toEqual({ absolute: 0, relative: 0 });
  });

  it('never asks the runtime for a 4-bit output, which would abort it', async () => {
    const folder = await makePackFolder({
      'model.yaml': yaml,
      'm.onnx': crashingModel(),
      's.csv': sampleCsv,
    });
    const { packed, remarks } = await pack(folder);
    expect(packed.manifest.interface.outputs.map((o) => o.name)).toEqual(['y']);
    expect(remarks).toContain('output "nibbles" has element type uint4: left out of the interface');
  });

  it('checks every variant against the golden samples', async () => {
    const text = yaml.replace(
      'file: m.onnx',
      'variants: [{ file: m.onnx }, { file: n.onnx, precision: int8, providers: [webgpu, cpu] }]',
    );
    const folder = await linearFolder(text);
    await folder.write('n.onnx', linearModel({ weights: [2, 3.5] }));
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'golden_mismatch',
      message: expect.stringContaining('"n.onnx"'),
    });
    await folder.write('n.onnx', linearModel({ weights: [2, 3.0001] }));
    const { packed } = await pack(folder);
    expect(packed.manifest.variants[1]).toEqual({
      file: 'n.onnx',
      precision: 'int8',
      providers: ['webgpu', 'cpu'],
    });
  });

  it('packs a file under a name that every device can hold, however the disk spells it', async () => {
    const folder = await makePackFolder({
      'model.yaml': yaml.replace('m.onnx', '"mod\u00e8le (1).onnx"'),
      'mode\u0300le (1).onnx': linear,
      's.csv': sampleCsv,
    });
    const { packed } = await pack(folder);
    expect((await readdir(packed.folder)).sort()).toEqual([
      '.sources.json',
      'golden.json',
      'manifest.json',
      'modele-1.onnx',
    ]);
    expect(packed.manifest.variants[0]!.file).toBe('modele-1.onnx');
  });

  it('packs a model behind a link under the name of the link, which messages use too', async () => {
    const folder = await linearFolder();
    await rename(join(folder.path, 'm.onnx'), join(folder.path, 'blob'));
    await symlink('blob', join(folder.path, 'm.onnx'));
    const { packed } = await pack(folder);
    expect(await readFile(join(packed.folder, 'm.onnx'))).toEqual(Buffer.from(linear));
    await folder.write('blob', unknownOperator());
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'model_does_not_load',
      message: expect.stringContaining('Cannot load "m.onnx"'),
    });
  });

  it('packs tensors by names that objects inherit', async () => {
    for (const name of ['constructor', 'toString', '__proto__']) {
      const folder = await makePackFolder({
        'model.yaml': `${head}sample: { file: s.csv }\ngolden: { rows: 2 }\n`,
        'm.onnx': identityModel('float', {
          inputName: name,
          outputName: name === '__proto__' ? 'y' : `${name}2`,
        }),
        's.csv': `${name}\n1\n2\n`,
      });
      const { packed } = await pack(folder);
      expect(packed.manifest.interface.inputs.map((input) => input.name)).toEqual([name]);
      expect(packed.manifest.profile!.features[0]).toMatchObject({ name, role: 'input' });
    }
    const folder = await makePackFolder({
      'model.yaml': `${head}features: { x: [a] }\nsample: { file: s.csv }\ngolden: { rows: 2 }\n`,
      'm.onnx': identityModel('float', { outputName: 'constructor' }),
      's.csv': 'a\n1\n2\n',
    });
    expect((await pack(folder)).packed.manifest.golden.tolerances).toEqual({
      constructor: { absolute: 1e-4, relative: 1e-3 },
    });
  });

  it('cuts a large model into chunks that make up its digest', async () => {
    const folder = await makePackFolder({
      'model.yaml': `${head}sample: { file: s.csv, columns: { x: [a] } }\ngolden: { rows: 1 }\n`,
      'm.onnx': largeModel({ bytes: 600_000 }),
      's.csv': 'a\n1\n',
    });
    const { packed } = await pack(folder);
    const { entry, path } = packed.files[0]!;
    const bytes = await readFile(path);
    expect(entry.chunks).toHaveLength(3);
    expect(entry.chunks[2]).toBe(
      createHash('sha256')
        .update(bytes.subarray(2 * limits.chunkBytes))
        .digest('hex'),
    );
  });
});

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
      /golden samples need a "sample"/,
    ],
    [
      'features for an input there is not',
      { 'model.yaml': yaml.replace('{ x:', '{ z:') },
      'interface_mismatch',
      /"features" names input "z", the model has "x" FP32/,
    ],
    [
      'too few features',
      { 'model.yaml': yaml.replace('[a, b]', '[a]') },
      'interface_mismatch',
      /names 1 columns, the model's input has 2/,
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
      /"units" names "z", the model has "x" FP32 .*, "y" FP32/,
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
      message: expect.stringContaining(`variants "m.onnx" and "${name}" are one file`),
    });
  });

  it('variants whose interfaces differ', async () => {
    const folder = await linearFolder(
      yaml.replace('file: m.onnx', 'variants: [{ file: m.onnx }, { file: n.onnx }]'),
    );
    await folder.write('n.onnx', linearModel({ outputName: 'other' }));
    await expect(pack(folder)).rejects.toMatchObject({ code: 'interface_mismatch' });
  });

  it('a folder that holds other files', async () => {
    const folder = await linearFolder();
    await expect(pack(folder, { out: folder.path })).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining('holds other files'),
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

describe('a model file that changes while it is packed', () => {
  const changed = { code: 'pack_outdated', message: expect.stringContaining('"m.onnx": it has changed') };

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

function numbers(tensor: { name: string; datatype: string; shape: number[]; data: string }): number[] {
  return Array.from(
    tensorValues({
      ...tensor,
      datatype: tensor.datatype as never,
      data: Buffer.from(tensor.data, 'base64'),
    }) as ArrayLike<number>,
  );
}

function unknownOperator(): Uint8Array {
  const text = Buffer.from(linearModel()).toString('latin1');
  const bytes = Buffer.from(text.replace('\x04Gemm', '\x04Gemx'), 'latin1');
  return bytes;
}
