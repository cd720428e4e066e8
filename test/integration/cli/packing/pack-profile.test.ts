/** What `models pack` makes of samples that are odd: dead columns, sentinels, few rows. The model is run by ONNX Runtime. */
import { describe, expect, it } from 'vitest';
import { type PackResult, packVersion } from '../../../../cli/packing/pack.ts';
import { judgeFeatures } from '../../../../hub/drift/verdict.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import { encodeStrings } from '../../../../shared/inference/exact-values.ts';
import type { Tensor } from '../../../../shared/inference/tensor.ts';
import { encodeNumbers } from '../../../../shared/inference/tensor-values.ts';
import { ModelBuilder } from '../../../../shared/onnx/write-model.ts';
import { sumsByLength } from '../../../../shared/sketch/block-sums.ts';
import { WindowCounts } from '../../../../shared/telemetry/window-counts.ts';
import { linearModel } from '../../../support/models.ts';
import { makePackFolder, npyFile } from '../../../support/pack-folder.ts';

const yaml =
  'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nfeatures: { x: [a, b] }\nsample: { file: s.csv }\n';

async function pack(files: Readonly<Record<string, string | Uint8Array>>): Promise<PackResult> {
  const folder = await makePackFolder({ 'm.onnx': linearModel({ weights: [2, 3] }), ...files });
  return await packVersion({ folder: folder.path, now: 0, logger: makeLogger('test', 'silent') });
}

const csv = (rows: number, row: (i: number) => string) =>
  `a,b\n${Array.from({ length: rows }, (_, i) => row(i)).join('\n')}\n`;

/** The same rows in an order that has nothing to do with their values: neighbours that resemble each other would count as fewer. */
function mixed<Row>(rows: readonly Row[]): readonly Row[] {
  const random = seededRandom(5);
  return rows
    .map((row) => ({ row, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ row }) => row);
}

/** The verdict on feature `name` when a device sees `rows` of `x`. */
function verdictOf({ packed }: PackResult, name: string, rows: readonly (readonly number[])[]) {
  const { profile } = packed.manifest;
  const counts = new WindowCounts(profile!);
  const data = encodeNumbers('FP32', mixed(rows).flat());
  counts.add([{ name: 'x', datatype: 'FP32', shape: [rows.length, 2], data }], []);
  return judgeFeatures(profile!, counts.result()).find((feature) => feature.name === name)!.verdict;
}

describe('packVersion() with an odd sample', () => {
  it('packs a column without any value, names it, and calls it drift when it comes alive', async () => {
    const result = await pack({
      'model.yaml': `${yaml}golden: { rows: 4 }\n`,
      's.csv': csv(200, (i) => `${i / 200},`),
    });
    expect(result.remarks).toEqual([
      'input "b" has no value in any of the 200 sample rows: watched as empty, a value on a device is drift',
      'output "y" has no value in any of the 200 sample rows: watched as empty, a value on a device is drift',
    ]);
    expect(result.goldenSamples).toBe(4);
    const dead = Array.from({ length: 200 }, (_, i) => [i / 200, Number.NaN]);
    expect(verdictOf(result, 'b', dead)).toBe('stable');
    expect(verdictOf(result, 'a', dead)).toBe('stable');
    expect(
      verdictOf(
        result,
        'b',
        dead.map(([a]) => [a!, 1]),
      ),
    ).toBe('drift');
  });

  it('measures how much the rows of an ordered sample depend on each other, inputs and outputs', async () => {
    const files = { 's.csv': csv(64, (i) => `${i < 32 ? 0 : 1},${i % 2}`) };
    const ordered = yaml.replace('s.csv', 's.csv, ordered: true');
    const { packed } = await pack({ ...files, 'model.yaml': `${ordered}golden: { rows: 2 }\n` });
    const blocksOf = (name: string) =>
      packed.manifest.profile!.features.find((f) => f.name === name)!.blocks!;
    // Halves of one value each take one step; alternating values take one at each row and none from block to block.
    const [slow, fast] = [sumsByLength(blocksOf('a')), sumsByLength(blocksOf('b'))];
    expect(slow.map(({ rows, blocks }) => [rows, blocks])).toEqual([
      [1, 63],
      [8, 7],
    ]);
    const [slowSteps, fastSteps] = [slow, fast].map((sums) => sums.map(({ squaredSteps }) => squaredSteps));
    expect(slowSteps![1]).toBe(8 ** 2 * slowSteps![0]!);
    expect(fastSteps).toEqual([63 * slowSteps![0]!, 0]);
    expect(sumsByLength(blocksOf('y'))).toHaveLength(2);
    const unordered = await pack({ ...files, 'model.yaml': `${yaml}golden: { rows: 2 }\n` });
    expect(unordered.packed.manifest.profile!.features.every(({ blocks }) => blocks === undefined)).toBe(
      true,
    );
  });

  it('says which output has no row in the whole sample, and no more of those that have some', async () => {
    const found = new ModelBuilder('found')
      .input('x', 'float', ['batch', 2])
      .node('NonZero', { inputs: ['x'], outputs: ['places'] })
      .node('Transpose', { inputs: ['places'], outputs: ['y'] })
      .output('y', 'int64', ['count', 2])
      .encode();
    const of = (row: string) =>
      pack({ 'm.onnx': found, 'model.yaml': `${yaml}golden: { rows: 2 }\n`, 's.csv': csv(60, () => row) });
    const remark = 'output "y" has no row in the whole sample: it has no feature, so its drift is not seen';
    const none = await of('0,0');
    expect(none.remarks.filter((one) => one.startsWith('output'))).toEqual([remark]);
    expect(none.packed.manifest.profile!.features.map(({ name }) => name)).toEqual(['a', 'b']);
    expect((await of('0,1')).remarks).not.toContain(remark);
  });

  it('packs values at both ends of the numbers and says which its mean leaves out', async () => {
    const result = await pack({
      'm.onnx': linearModel({ features: 1 }),
      'model.yaml': `${yaml.replace('[a, b]', '[a]')}golden: { rows: 2 }\n`,
      's.csv': csv(60, (i) => `${i % 2 === 0 ? '' : '-'}3.4e38,0`),
    });
    expect(result.packed.manifest.profile!.features.map((feature) => feature.name)).toEqual(['a', 'y']);
  });

  it('says that a profile of few rows can never judge', async () => {
    const { remarks } = await pack({
      'model.yaml': `${yaml}golden: { rows: 2 }\n`,
      's.csv': csv(43, (i) => `${i},${i}`),
    });
    expect(remarks).toEqual([
      'the profile has 43 rows, and drift is judged from 50 rows on: it will say "too-few" until the sample has that many',
    ]);
  });

  it('sees every value of a sparse feature move, though the sample has one huge outlier', async () => {
    const result = await pack({
      'model.yaml': `${yaml}golden: { rows: 2 }\n`,
      's.csv': csv(1_000, (i) => `${i < 960 ? 0 : i === 999 ? 1e9 : (i - 959) / 20},${i}`),
    });
    const moved = Array.from({ length: 200 }, (_, i) => [20 + 2.4 * i, 5 * i]);
    expect(verdictOf(result, 'a', moved)).toBe('drift');
    expect(verdictOf(result, 'b', moved)).toBe('stable');
  });

  it('counts texts and booleans on the device by the categories of the sample', async () => {
    const model = new ModelBuilder('door')
      .input('colour', 'string', ['batch', 1])
      .input('open', 'bool', ['batch', 1])
      .node('Not', { inputs: ['open'], outputs: ['shut'] })
      .node('Identity', { inputs: ['colour'], outputs: ['seen'] })
      .output('shut', 'bool', ['batch', 1])
      .output('seen', 'string', ['batch', 1])
      .encode();
    const { packed, remarks } = await pack({
      'm.onnx': model,
      'model.yaml': `${yaml.replace('features: { x: [a, b] }\n', '')}`,
      's.csv': `colour,open\n${Array.from({ length: 60 }, (_, i) => `${i % 3 === 0 ? 'red' : 'grün'},${i % 2 === 0}`).join('\n')}\n`,
    });
    expect(remarks).toEqual([]);
    const profile = packed.manifest.profile!;
    expect(profile.features).toMatchObject([
      { name: 'colour', kind: 'categorical', categories: ['grün', 'red'], counts: [40, 20] },
      { name: 'open', kind: 'categorical', categories: ['0', '1'], counts: [30, 30] },
      { name: 'shut', kind: 'categorical', categories: ['0', '1'], counts: [30, 30] },
      { name: 'seen', kind: 'categorical', categories: ['grün', 'red'], counts: [40, 20] },
    ]);
    const rows = 100;
    const texts = (name: string): Tensor => ({
      name,
      datatype: 'BYTES',
      shape: [rows, 1],
      data: encodeStrings(Array.from({ length: rows }, (_, i) => (i % 2 === 0 ? 'red' : `secret ${i}`))),
    });
    const flags = (name: string): Tensor => ({
      name,
      datatype: 'BOOL',
      shape: [rows, 1],
      data: new Uint8Array(rows),
    });
    const counts = new WindowCounts(profile);
    counts.add([texts('colour'), flags('open')], [flags('shut'), texts('seen')]);
    const counted = counts.result();
    expect(counted[0]).toMatchObject({ name: 'colour', counts: [0, 50, 50], missing: 0 });
    expect(JSON.stringify(counted)).not.toContain('secret');
    const verdicts = judgeFeatures(profile, counted).map(({ verdict }) => verdict);
    expect(verdicts).toEqual(['drift', 'drift', 'drift', 'drift']);
  });

  it('sees two channels of an image change places, though the image as a whole stays alike', async () => {
    const model = new ModelBuilder('picture')
      .input('x', 'float', [1, 3, 4, 4])
      .node('ReduceMean', {
        inputs: ['x'],
        outputs: ['y'],
        attributes: { axes: { ints: [1, 2, 3] }, keepdims: { int: 0 } },
      })
      .output('y', 'float', [1])
      .encode();
    const random = seededRandom(2);
    const images = Array.from({ length: 60 }, () =>
      Array.from({ length: 48 }, (_, i) => [200, 100, 30][Math.floor(i / 16)]! + 20 * random()),
    );
    const { packed } = await pack({
      'm.onnx': model,
      'model.yaml': `${yaml.replace('features: { x: [a, b] }\n', '').replace('file: s.csv', 'arrays: { x: x.npy }')}`,
      'x.npy': npyFile([60, 3, 4, 4], images.flat()),
    });
    const profile = packed.manifest.profile!;
    const verdictsOf = (order: readonly number[]) => {
      const counts = new WindowCounts(profile);
      for (const image of images) {
        const values = order.flatMap((channel) => image.slice(16 * channel, 16 * channel + 16));
        const data = encodeNumbers('FP32', values);
        counts.add([{ name: 'x', datatype: 'FP32', shape: [1, 3, 4, 4], data }], []);
      }
      return judgeFeatures(profile, counts.result())
        .filter(({ role, verdict }) => role === 'input' && (verdict === 'drift' || verdict === 'watch'))
        .map(({ name }) => name)
        .sort();
    };
    expect(verdictsOf([0, 1, 2])).toEqual([]);
    expect(verdictsOf([2, 1, 0])).toEqual(['x[0] mean', 'x[2] mean']);
  });
});
