/** What `models pack` makes of samples that are odd: dead columns, sentinels, few rows. The model is run by ONNX Runtime. */
import { describe, expect, it } from 'vitest';
import { type PackResult, packVersion } from '../../../../cli/packing/pack.ts';
import { judgeFeatures } from '../../../../hub/drift/verdict.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { encodeNumbers } from '../../../../shared/inference/tensor-values.ts';
import { WindowCounts } from '../../../../shared/telemetry/window-counts.ts';
import { linearModel } from '../../../support/models.ts';
import { makePackFolder } from '../../../support/pack-folder.ts';

const yaml =
  'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nfeatures: { x: [a, b] }\nsample: { file: s.csv }\n';

async function pack(files: Readonly<Record<string, string | Uint8Array>>): Promise<PackResult> {
  const folder = await makePackFolder({ 'm.onnx': linearModel({ weights: [2, 3] }), ...files });
  return await packVersion({ folder: folder.path, now: 0, logger: makeLogger('test', 'silent') });
}

const csv = (rows: number, row: (i: number) => string) =>
  `a,b\n${Array.from({ length: rows }, (_, i) => row(i)).join('\n')}\n`;

/** The verdict on feature `name` when a device sees `rows` of `x`. */
function verdictOf({ packed }: PackResult, name: string, rows: readonly (readonly number[])[]) {
  const { profile } = packed.manifest;
  const counts = new WindowCounts(profile!);
  const data = encodeNumbers('FP32', rows.flat());
  counts.add([{ name: 'x', datatype: 'FP32', shape: [rows.length, 2], data }], []);
  return judgeFeatures(profile!, counts.result()).find((feature) => feature.name === name)!.verdict;
}

describe('packVersion() with an odd sample', () => {
  it('packs a column without any value, names it, and calls it drift when it comes alive', async () => {
    const result = await pack({
      'model.yaml': `${yaml}golden: { rows: 4 }\n`,
      's.csv': csv(60, (i) => `${i / 60},`),
    });
    expect(result.remarks).toEqual([
      'input "b" has no value in any of the 60 sample rows: watched as empty, a value on a device is drift',
      'output "y" has no value in any of the 60 sample rows: watched as empty, a value on a device is drift',
    ]);
    expect(result.goldenSamples).toBe(4);
    const dead = Array.from({ length: 60 }, (_, i) => [i / 60, Number.NaN]);
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
});
