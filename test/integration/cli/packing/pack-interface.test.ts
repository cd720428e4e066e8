/** Interfaces as people export them: batches baked in, no inputs, rows that fail. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packVersion } from '../../../../cli/packing/pack.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { parseGoldenFile } from '../../../../shared/manifest/golden-file.ts';
import { type Dimension, ModelBuilder } from '../../../../shared/onnx/write-model.ts';
import {
  bakedBatchModel,
  constantModel,
  failingModel,
  identityModel,
  linearModel,
} from '../../../support/models.ts';
import { makePackFolder } from '../../../support/pack-folder.ts';

const head = 'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\n';
const rows = 'a,b\n1,2\n3,4\n5,6\n';

async function pack(files: Readonly<Record<string, Uint8Array | string>>) {
  const folder = await makePackFolder(files);
  return packVersion({ folder: folder.path, now: 0, logger: makeLogger('test', 'silent') });
}

/** `x` [-1, 2] → `y` = −x, declared as `dims` whatever it is; the runtime trusts the file. */
function negation(dims: readonly Dimension[]): Uint8Array {
  return new ModelBuilder('negation')
    .input('x', 'float', ['batch', 2])
    .node('Neg', { inputs: ['x'], outputs: ['y'] })
    .output('y', 'float', dims)
    .encode();
}

describe('packVersion()', () => {
  it.each([
    ['a sample', 'sample: { file: s.csv }\n'],
    ['golden rows alone', 'golden: { file: s.csv }\n'],
  ])(
    'finds the batch size that is baked into a model from %s, and has devices take one row',
    async (_, source) => {
      const { packed, remarks } = await pack({
        'model.yaml': `${head}features: { x: [a, b] }\n${source}`,
        'm.onnx': bakedBatchModel(),
        's.csv': rows,
      });
      expect(packed.manifest.interface.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [1, 2] }]);
      expect(remarks).toContainEqual(
        expect.stringMatching(
          /^the batch size is fixed at 1 inside "m.onnx", .*; .* export the model with an open batch axis/,
        ),
      );
    },
  );

  it('finds it in a second variant, whose interface is that of all', async () => {
    const { packed, remarks } = await pack({
      'model.yaml': `${head.replace('file: m.onnx', 'variants: [{ file: m.onnx }, { file: n.onnx }]')}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
      'm.onnx': linearModel(),
      'n.onnx': bakedBatchModel(),
      's.csv': rows,
    });
    expect(packed.manifest.interface.inputs[0]!.shape).toEqual([1, 2]);
    expect(remarks).toContainEqual(expect.stringMatching(/fixed at 1 inside "n.onnx"/));
  });

  it('takes one row where two give the answer of one', async () => {
    const { packed, remarks } = await pack({
      'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
      'm.onnx': new ModelBuilder('mean')
        .input('x', 'float', ['batch', 2])
        .node('ReduceMean', { inputs: ['x'], outputs: ['y'], attributes: { axes: { ints: [0] } } })
        .output('y', 'float', ['batch', 2])
        .encode(),
      's.csv': rows,
    });
    expect(packed.manifest.interface.inputs[0]!.shape).toEqual([1, 2]);
    expect(remarks).toContainEqual(expect.stringMatching(/^the batch size is fixed at 1 inside/));
  });

  it('says when the answer to a row depends on the rows beside it, and profiles single rows', async () => {
    const { packed, remarks } = await pack({
      'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
      'm.onnx': new ModelBuilder('entangled')
        .input('x', 'float', ['batch', 2])
        .node('Softmax', { inputs: ['x'], outputs: ['y'], attributes: { axis: { int: 0 } } })
        .output('y', 'float', ['batch', 2])
        .encode(),
      's.csv': rows,
    });
    expect(packed.manifest.interface.inputs[0]!.shape).toEqual([-1, 2]);
    expect(remarks).toContainEqual(expect.stringMatching(/to a row depends on the rows beside it/));
    const alone = packed.manifest.profile!.features.find((one) => one.role === 'output');
    expect(alone).toMatchObject({ moments: { n: 3, shift: 1, sum: 0 } });
  });

  it('looks at each row of the two: of a running sum, only the later ones depend on the others', async () => {
    const { packed, remarks } = await pack({
      'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
      'm.onnx': new ModelBuilder('running-sum')
        .input('x', 'float', ['batch', 2])
        .constant('rows', 'int64', [], [0])
        .node('CumSum', { inputs: ['x', 'rows'], outputs: ['y'] })
        .output('y', 'float', ['batch', 2])
        .encode(),
      's.csv': rows,
    });
    expect(remarks).toContainEqual(expect.stringMatching(/to a row depends on the rows beside it/));
    const alone = packed.manifest.profile!.features.find((one) => one.role === 'output');
    expect(alone).toMatchObject({ moments: { n: 3, shift: 3, sum: 0 } });
  });

  it('takes findings, as many for a row as there are, for no batch size that is fixed', async () => {
    const { packed, remarks } = await pack({
      'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
      'm.onnx': new ModelBuilder('findings')
        .input('x', 'float', ['batch', 2])
        .node('NonZero', { inputs: ['x'], outputs: ['found'] })
        .node('Transpose', { inputs: ['found'], outputs: ['y'] })
        .output('y', 'int64', ['count', 2])
        .encode(),
      's.csv': 'a,b\n0,2\n3,4\n',
    });
    expect(packed.manifest.interface.inputs[0]!.shape).toEqual([-1, 2]);
    expect(remarks).not.toContainEqual(expect.stringMatching(/batch size is fixed/));
  });

  it('leaves a batch size open that the model keeps open', async () => {
    const { packed, remarks } = await pack({
      'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
      'm.onnx': linearModel(),
      's.csv': rows,
    });
    expect(packed.manifest.interface.inputs[0]!.shape).toEqual([-1, 2]);
    expect(remarks.filter((remark) => remark.includes('batch'))).toEqual([]);
  });

  it.each([
    [
      'inside the model',
      bakedBatchModel({ batch: 4 }),
      'inference_failed',
      /row 1 of the sample\. .*If the model was exported for one batch size, export the model with an open batch axis/,
    ],
    [
      'in the interface',
      identityModel('float', { dims: [4, 2] }),
      'interface_mismatch',
      /its batch size is fixed at 4; export the model with an open batch axis/,
    ],
  ])(
    'refuses a batch size above one that is fixed %s, saying how to free it',
    async (_, onnx, code, message) => {
      await expect(
        pack({
          'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
          'm.onnx': onnx,
          's.csv': rows,
        }),
      ).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    },
  );

  it('packs a model without inputs, which has one golden sample and needs no rows', async () => {
    const { packed, goldenSamples } = await pack({ 'model.yaml': head, 'm.onnx': constantModel() });
    expect(goldenSamples).toBe(1);
    expect(packed.manifest.interface.inputs).toEqual([]);
    const golden = parseGoldenFile(await readFile(join(packed.folder, 'golden.json')));
    expect(golden.samples[0]).toMatchObject({ inputs: [], outputs: [{ name: 'y', shape: [2] }] });
  });

  it.each([
    [
      'a size',
      ['batch', 7],
      [-1, -1],
      /output "y" has other sizes than the file declares, \[\?, 7\]: .* \[\?, \?\]/,
    ],
    ['a batch size', [1, 2], [-1, 2], /output "y" .* declares, \[1, 2\]: .* \[\?, 2\]/],
  ])('promises no more of an output than the model keeps: %s', async (_, dims, promised, remark) => {
    const { packed, remarks } = await pack({
      'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
      'm.onnx': negation(dims),
      's.csv': rows,
    });
    expect(packed.manifest.interface.outputs[0]!.shape).toEqual(promised);
    expect(remarks).toContainEqual(expect.stringMatching(remark));
  });

  it('refuses an output of another rank than the file declares, which every device would', async () => {
    await expect(
      pack({
        'model.yaml': `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`,
        'm.onnx': negation(['batch', 2, 1]),
        's.csv': rows,
      }),
    ).rejects.toMatchObject({
      code: 'interface_mismatch',
      message: expect.stringMatching(
        /"y" is declared with shape \[\?, 2, 1\], but the model gives shape \[1, 2\]/,
      ),
    });
  });

  it('names the row of a batch on which the model fails', async () => {
    const cells = Array.from({ length: 40 }, (_, i) => (i === 30 ? 99 : i % 10));
    await expect(
      pack({
        'model.yaml': `${head}features: { x: [a] }\nsample: { file: s.csv }\ngolden: { rows: 2 }\n`,
        'm.onnx': failingModel(),
        's.csv': `a\n${cells.join('\n')}\n`,
      }),
    ).rejects.toMatchObject({
      code: 'inference_failed',
      message: expect.stringMatching(/^Cannot run row 31 of the sample\. /),
    });
  });

  it('finds tensors however model.yaml composes their accents', async () => {
    const [composed, apart] = ['d\u00e9bit', 'de\u0301bit'];
    const { packed } = await pack({
      'model.yaml': `${head}features: { ${composed}: [a] }\nsample: { file: s.csv }\ngolden: { file: s.csv, expected: { r${composed}: [a] } }\ntolerances: { r${composed}: { absolute: 0, relative: 0.5 } }\nlabel: { output: r${composed}, kind: regression }\nunits: { ${composed}: l/s }\n`,
      'm.onnx': identityModel('float', { inputName: apart, outputName: `r${apart}` }),
      's.csv': 'a\n1\n2\n',
    });
    const { golden, label, interface: face } = packed.manifest;
    expect(golden.tolerances).toEqual({ [`r${apart}`]: { absolute: 0, relative: 0.5 } });
    expect(label!.output).toBe(`r${apart}`);
    expect(face.units).toEqual({ [apart]: 'l/s' });
    await expect(
      pack({
        'model.yaml': `${head}features: { ${composed}: [a], ${apart}: [a] }\nsample: { file: s.csv }\n`,
        'm.onnx': identityModel('float', { inputName: apart }),
        's.csv': 'a\n1\n',
      }),
    ).rejects.toMatchObject({
      code: 'model_yaml_invalid',
      message: expect.stringContaining('twice, spelled with other characters that look the same'),
    });
  });

  it('refuses columns whose names look the same', async () => {
    await expect(
      pack({
        'model.yaml': `${head}features: { x: ["caf\u00e9", "cafe\u0301"] }\nsample: { file: s.csv }\n`,
        'm.onnx': linearModel(),
        's.csv': 'caf\u00e9,cafe\u0301\n1,2\n',
      }),
    ).rejects.toMatchObject({ code: 'sample_invalid', message: expect.stringContaining('two columns') });
  });
});
