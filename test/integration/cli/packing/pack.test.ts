/** Packs folders with small models, run by the real ONNX Runtime in a runner process. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { tensorValues } from '../../../../shared/inference/exact-values.ts';
import { parseGoldenFile } from '../../../../shared/manifest/golden-file.ts';
import { head, linear, linearFolder, pack, sampleCsv, yaml } from '../../../support/linear-pack-folder.ts';
import {
  classifierModel,
  crashingModel,
  float16Model,
  identityModel,
  largeModel,
  linearModel,
  statefulModel,
  unknownOperator,
} from '../../../support/models.ts';
import { makePackFolder, npyFile } from '../../../support/pack-folder.ts';

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
        /2 of 3 golden samples are wrong; the worst is sample 3, output "y" element 0 is 38, expected 40 ±/,
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

function numbers(tensor: { name: string; datatype: string; shape: number[]; data: string }): number[] {
  return Array.from(
    tensorValues({
      ...tensor,
      datatype: tensor.datatype as never,
      data: Buffer.from(tensor.data, 'base64'),
    }) as ArrayLike<number>,
  );
}
