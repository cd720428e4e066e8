/** Values of samples on their way into a version: as they are, or refused by value, row and column. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packVersion } from '../../../../cli/packing/pack.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { tensorValues } from '../../../../shared/inference/exact-values.ts';
import { parseGoldenFile } from '../../../../shared/manifest/golden-file.ts';
import type { ElementName } from '../../../../shared/onnx/element-datatypes.ts';
import { identityModel } from '../../../support/models.ts';
import { makePackFolder, npyBytes, type PackFolder } from '../../../support/pack-folder.ts';

const head = 'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\n';

const pack = (folder: PackFolder) =>
  packVersion({ folder: folder.path, now: 0, logger: makeLogger('test', 'silent') });

const sampled = (element: ElementName, csv: string, more = '') =>
  makePackFolder({
    'model.yaml': `${head}features: { x: [a] }\nsample: { file: s.csv }\ngolden: { rows: 4 }\n${more}`,
    'm.onnx': identityModel(element),
    's.csv': csv,
  });

async function goldenInputs(folder: string): Promise<unknown[]> {
  const golden = parseGoldenFile(await readFile(join(folder, 'golden.json')));
  return golden.samples.flatMap(({ inputs: [input] }) =>
    Array.from(tensorValues({ ...input!, data: Buffer.from(input!.data, 'base64') }) as ArrayLike<unknown>),
  );
}

describe('packVersion()', () => {
  it.each([
    ['uint8', '300', /row 2, column "a" holds "300", expected a whole number from 0 to 255/],
    ['uint8', '-1', /row 2, column "a" holds "-1", expected a whole number from 0 to 255/],
    ['float16', '70000', /row 2, column "a" holds "70000", expected a number within ±65504/],
    ['int64', '1.5', /row 2, column "a" holds "1.5", expected a whole number/],
    ['float', '0x1F', /row 2, column "a" holds "0x1F", expected a number/],
    ['bool', '2', /row 2, column "a" holds "2", expected true or false/],
    ['string', 'a\0b', /row 2, column "a" holds "a\\u0000b": it holds a NUL/],
  ] as const)('refuses a sample whose %s is %j', async (element, cell, message) => {
    await expect(pack(await sampled(element, `a\n1\n${cell}\n`))).rejects.toMatchObject({
      code: 'sample_invalid',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    [
      'uint8',
      npyBytes('<i2', [2, 1], Int16Array.of(1, 256)),
      /"x.npy", row 2, element 0 is 256, and input "x" needs a whole/,
    ],
    ['float16', npyBytes('<f8', [2, 1], Float64Array.of(1, 70_000)), /row 2, element 0 is 70000/],
    ['int32', npyBytes('<f4', [2, 1], Float32Array.of(1, 0.5)), /row 2, element 0 is 0.5/],
    [
      'string',
      npyBytes('<f4', [2, 1], Float32Array.of(1, 2)),
      /row 1, element 0 is 1, and input "x" needs a text/,
    ],
    [
      'float',
      npyBytes('<U1', [1, 1], Uint32Array.of(97)),
      /row 1, element 0 is "a", and input "x" needs a number/,
    ],
  ] as const)('refuses an array that %s cannot hold', async (element, array, message) => {
    const folder = await makePackFolder({
      'model.yaml': `${head}sample: { arrays: { x: x.npy } }\ngolden: { rows: 2 }\n`,
      'm.onnx': identityModel(element),
      'x.npy': array,
    });
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'sample_invalid',
      message: expect.stringMatching(message),
    });
  });

  it('carries 64-bit ids exactly, from a CSV file and from an array', async () => {
    const ids = [9_007_199_254_740_993n, 1_610_521_604_143_693_812n];
    const fromCsv = await pack(await sampled('int64', `a\n${ids.join('\n')}\n`));
    expect(await goldenInputs(fromCsv.packed.folder)).toEqual(ids);
    const folder = await makePackFolder({
      'model.yaml': `${head}golden: { arrays: { x: x.npy }, expected: { y: y.npy } }\n`,
      'm.onnx': identityModel('int64'),
      'x.npy': npyBytes('<i8', [2, 1], BigInt64Array.from(ids)),
      'y.npy': npyBytes('<i8', [2, 1], BigInt64Array.from(ids)),
    });
    expect(await goldenInputs((await pack(folder)).packed.folder)).toEqual(ids);
  });

  it.each([
    ['int64', '1\n\n2\n1\n', ['1', '2'], [2, 1]],
    ['string', 'red\n\nblue\nred\n', ['blue', 'red'], [1, 2]],
    ['bool', 'true\n\nFalse\n1\n', ['0', '1'], [1, 2]],
  ] as const)(
    'counts an empty cell of %s as missing, and runs the other rows',
    async (element, cells, categories, counts) => {
      const { packed, goldenSamples, remarks } = await pack(await sampled(element, `a\n${cells}`));
      expect(packed.manifest.profile!.features[0]).toMatchObject({
        kind: 'categorical',
        name: 'a',
        categories,
        counts,
        missing: 1,
      });
      expect(goldenSamples).toBe(3);
      expect(remarks).toContain('1 of 4 sample rows lack a value and were not run');
    },
  );

  it('carries texts exactly, spaces and a byte order mark included', async () => {
    const { packed } = await pack(await sampled('string', 'a\n red \n"\ufeffblue"\n"red,"\n'));
    expect(await goldenInputs(packed.folder)).toEqual([' red ', '\ufeffblue', 'red,']);
  });

  it('holds texts and truth values to what is expected of them', async () => {
    const folder = await makePackFolder({
      'model.yaml': `${head}golden: { file: g.csv, columns: { x: [a] }, expected: { y: [want] } }\n`,
      'm.onnx': identityModel('string'),
      'g.csv': 'a,want\nred,red\nblue,green\n',
    });
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'golden_mismatch',
      message: expect.stringContaining('element 0 is blue, expected green'),
    });
    await folder.write('g.csv', 'a,want\nred,red\nblue,\n');
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'sample_invalid',
      message: expect.stringContaining('row 2 has no expected value in column "want"'),
    });
  });

  it('takes a fill beyond 2^53 as text, and refuses one that YAML has rounded', async () => {
    const filled = (value: string) =>
      `${head}sample: { fill: { x: { value: ${value}, shape: [1, 1] } } }\ngolden: { rows: 1 }\n`;
    const folder = await makePackFolder({
      'model.yaml': filled('"9007199254740993"'),
      'm.onnx': identityModel('int64'),
    });
    expect(await goldenInputs((await pack(folder)).packed.folder)).toEqual([9_007_199_254_740_993n]);
    await folder.write('model.yaml', filled('9007199254740993'));
    await expect(pack(folder)).rejects.toMatchObject({
      code: 'interface_mismatch',
      message: expect.stringContaining('may have been rounded: write it in quotes'),
    });
  });
});
