/** How `models pack` picks golden samples and proves them: in two processes, run by ONNX Runtime. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type PackResult, packVersion } from '../../../../cli/packing/pack.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { parseGoldenFile } from '../../../../shared/manifest/golden-file.ts';
import { ModelBuilder } from '../../../../shared/onnx/write-model.ts';
import { linearModel } from '../../../support/models.ts';
import { makePackFolder, npyFile } from '../../../support/pack-folder.ts';

const head = 'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\n';
const yaml = `${head}features: { x: [a, b] }\nsample: { file: s.csv }\n`;
const rows = Array.from({ length: 60 }, (_, i) => `${i},${i % 7}`);
const csv = `a,b\n${rows.join('\n')}\n`;

async function pack(files: Readonly<Record<string, string | Uint8Array>>): Promise<PackResult> {
  const folder = await makePackFolder({
    'm.onnx': linearModel(),
    's.csv': csv,
    'model.yaml': yaml,
    ...files,
  });
  return await packVersion({ folder: folder.path, now: 0, logger: makeLogger('test', 'silent') });
}

const goldenOf = async ({ packed }: PackResult) =>
  parseGoldenFile(await readFile(join(packed.folder, 'golden.json')));

/** `x` f32[-1,2] → `y` = x + noise of the operator; `exact` = x. */
function noisyModel(attributes: Readonly<Record<string, { readonly float: number }>>): Uint8Array {
  return new ModelBuilder('noisy')
    .input('x', 'float', ['batch', 2])
    .node('RandomNormalLike', { inputs: ['x'], outputs: ['noise'], attributes })
    .node('Add', { inputs: ['x', 'noise'], outputs: ['y'] })
    .node('Identity', { inputs: ['x'], outputs: ['exact'] })
    .output('exact', 'float', ['batch', 2])
    .output('y', 'float', ['batch', 2])
    .encode();
}

/** `x` f32[-1,2] → `y` i32[-1,1], drawn by the logits in `x`. */
function drawingModel(): Uint8Array {
  return new ModelBuilder('drawing')
    .input('x', 'float', ['batch', 2])
    .constant('none', 'float', [1], [0])
    .node('Mul', { inputs: ['x', 'none'], outputs: ['even'] })
    .node('Multinomial', { inputs: ['even'], outputs: ['y'] })
    .output('y', 'int32', ['batch', 1])
    .encode();
}

/** `x` f32[-1,2] → `y`: Dropout that was exported in training mode. */
/** Of two elements two runs would drop the same ones now and then. */
function trainingModel(): Uint8Array {
  const copies = 16;
  return new ModelBuilder('training')
    .input('x', 'float', ['batch', 2])
    .constant('ratio', 'float', [], [0.5])
    .constant('training', 'bool', [], [1])
    .node('Concat', {
      inputs: Array.from({ length: copies }, () => 'x'),
      outputs: ['wide'],
      attributes: { axis: { int: 1 } },
    })
    .node('Dropout', { inputs: ['wide', 'ratio', 'training'], outputs: ['y'] })
    .output('y', 'float', ['batch', 2 * copies])
    .encode();
}

describe('packVersion() makes golden samples', () => {
  it('takes eight rows of the sample where model.yaml says nothing', async () => {
    const result = await pack({});
    expect(result).toMatchObject({ goldenSamples: 8, remarks: [] });
  });

  it.each<[string, Uint8Array]>([
    ['adds noise', noisyModel({})],
    ['adds noise of a fixed seed', noisyModel({ seed: { float: 7 } })],
    ['draws its answer', drawingModel()],
    ['drops out as in training', trainingModel()],
  ])('refuses a model that %s, by the name of the output', async (_, model) => {
    await expect(pack({ 'm.onnx': model })).rejects.toMatchObject({
      code: 'golden_unstable',
      message: expect.stringMatching(/two runs over golden sample \d differ: output "y" element \d+ is /),
    });
    await expect(
      pack({ 'm.onnx': model, 'model.yaml': `${yaml}golden: { rows: 1 }\n` }),
    ).rejects.toMatchObject({
      code: 'golden_unstable',
    });
  });

  it('takes noise within the tolerance', async () => {
    const result = await pack({
      'm.onnx': noisyModel({ scale: { float: 1e-6 } }),
      'model.yaml': `${yaml}tolerances: { y: { absolute: 0.001, relative: 0 } }\n`,
    });
    expect(result.goldenSamples).toBe(8);
  });

  it('refuses a sampling variant beside one that does not', async () => {
    const text = yaml.replace('file: m.onnx', 'variants: [{ file: m.onnx }, { file: n.onnx }]');
    const twin = noisyModel({ scale: { float: 1e-12 } });
    await expect(
      pack({
        'm.onnx': twin,
        'n.onnx': noisyModel({ scale: { float: 1e-3 } }),
        'model.yaml': `${text}tolerances: { y: { absolute: 0.0001, relative: 0 } }\n`,
      }),
    ).rejects.toMatchObject({ message: expect.stringContaining('"n.onnx"') });
  });

  it('runs every row of a golden source of its own, NaN included', async () => {
    const text = `${head}features: { x: [a, b] }\ngolden: { file: g.csv, expected: { y: [want] } }\n`;
    await expect(
      pack({ 'model.yaml': text, 'g.csv': 'a,b,want\n1,1,2\n,1,999\n2,2,4\n,,999\n' }),
    ).rejects.toMatchObject({
      code: 'golden_mismatch',
      message: expect.stringMatching(
        /2 of 4 golden samples are wrong; the worst is sample 2, output "y" element 0 is NaN/,
      ),
    });
    const result = await pack({
      'model.yaml': text.replace(', expected: { y: [want] }', ''),
      'g.csv': 'a,b\n1,1\n,1\n',
    });
    expect((await goldenOf(result)).samples).toHaveLength(2);
  });

  it.each([
    [
      'fewer rows than there are samples',
      [1, 1],
      'sample_invalid',
      /"w.npy": it has 1 rows, but the golden samples have 2/,
    ],
    [
      'more rows than there are samples',
      [3, 1],
      'sample_invalid',
      /it has 3 rows, but the golden samples have 2/,
    ],
    ['no axis of rows', [], 'sample_invalid', /it has 0 rows/],
    [
      'more values a row than the output',
      [2, 2],
      'interface_mismatch',
      /expected "y" of row 1: it has 2 values per row, but the model gives 1/,
    ],
    ['no value in a row', [2, 0], 'interface_mismatch', /0 values per row, but the model gives 1/],
  ])('refuses an array of expected outputs with %s', async (_, shape, code, message) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const golden = 'golden: { file: g.csv, expected: { y: w.npy } }\n';
    const packing = pack({
      'model.yaml': `${head}features: { x: [a, b] }\n${golden}`,
      'g.csv': 'a,b\n1,1\n2,2\n',
      'w.npy': npyFile(shape, new Float32Array(count)),
    });
    await expect(packing).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('chooses fewer rows where they are large and nobody asked for a number, and says so', async () => {
    const width = 500_000;
    const files = {
      'm.onnx': new ModelBuilder('wide')
        .input('x', 'float', ['batch', width])
        .node('ReduceMean', { inputs: ['x'], outputs: ['y'], attributes: { axes: { ints: [1] } } })
        .output('y', 'float', ['batch', 1])
        .encode(),
      'x.npy': npyFile([8, width], new Float32Array(8 * width)),
    };
    const text = `${head}sample: { arrays: { x: x.npy } }\n`;
    const few = await pack({ ...files, 'model.yaml': text });
    expect(few.goldenSamples).toBe(2);
    expect(few.remarks[0]).toMatch(/a golden sample takes 2\.5 MiB, so 2 were chosen and not 8/);
    expect(few.remarks.at(-1)).toMatch(/the golden samples take 5\.1 MiB beside \d+ B of models/);
    const asked = await pack({ ...files, 'model.yaml': `${text}golden: { rows: 3 }\n` });
    expect(asked.goldenSamples).toBe(3);
  }, 120_000);

  it('names the row that a model fails on', async () => {
    const failing = new ModelBuilder('failing')
      .input('x', 'float', [1, 2])
      .constant('table', 'float', [40], new Float32Array(40))
      .constant('first', 'int64', [1], [0])
      .node('Gather', { inputs: ['x', 'first'], outputs: ['a'], attributes: { axis: { int: 1 } } })
      .node('Cast', { inputs: ['a'], outputs: ['at'], attributes: { to: { int: 7 } } })
      .node('Gather', { inputs: ['table', 'at'], outputs: ['y'] })
      .output('y', 'float', [1, 1])
      .encode();
    await expect(
      pack({ 'm.onnx': failing, 'model.yaml': `${yaml}golden: { rows: 1 }\n` }),
    ).rejects.toMatchObject({
      code: 'inference_failed',
      message: expect.stringMatching(/^Cannot run row 41 of the sample\. /),
    });
  });

  it('names columns of whole numbers that have no value at all', async () => {
    const model = new ModelBuilder('ids')
      .input('x', 'int64', ['batch', 2])
      .node('Identity', { inputs: ['x'], outputs: ['y'] })
      .output('y', 'int64', ['batch', 2])
      .encode();
    await expect(pack({ 'm.onnx': model, 's.csv': csv.replaceAll(/,\d/g, ',') })).rejects.toMatchObject({
      code: 'sample_invalid',
      message: expect.stringContaining('"b" has none in any row'),
    });
  });
});
