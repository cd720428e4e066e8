/** Models with state: packed as sequences, profiled as they are served. The model is run by ONNX Runtime. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type PackResult, packVersion } from '../../../../cli/packing/pack.ts';
import { judgeFeatures } from '../../../../hub/drift/verdict.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import type { Tensor } from '../../../../shared/inference/tensor.ts';
import { encodeNumbers, numbersOf } from '../../../../shared/inference/tensor-values.ts';
import { parseGoldenFile } from '../../../../shared/manifest/golden-file.ts';
import { ModelBuilder } from '../../../../shared/onnx/write-model.ts';
import { WindowCounts } from '../../../../shared/telemetry/window-counts.ts';
import { makePackFolder } from '../../../support/pack-folder.ts';

/** `x` f32[-1,1], `state` f32[2,-1,1] → `y` f32[-1,1], `stateN` = 0.9·state + 0.1·x: an average that remembers. */
function averagingModel(): Uint8Array {
  return new ModelBuilder('averaging')
    .input('x', 'float', ['batch', 1])
    .input('state', 'float', [2, 'batch', 1])
    .constant('old', 'float', [1], [0.9])
    .constant('new', 'float', [1], [0.1])
    .node('Mul', { inputs: ['state', 'old'], outputs: ['kept'] })
    .node('Mul', { inputs: ['x', 'new'], outputs: ['added'] })
    .node('Add', { inputs: ['kept', 'added'], outputs: ['stateN'] })
    .node('ReduceMean', {
      inputs: ['stateN'],
      outputs: ['y'],
      attributes: { axes: { ints: [0] }, keepdims: { int: 0 } },
    })
    .output('y', 'float', ['batch', 1])
    .output('stateN', 'float', [2, 'batch', 1])
    .encode();
}

const head = 'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nstate: { state: stateN }\n';
const random = seededRandom(3);
const ROWS = 600;
const values = Array.from({ length: ROWS }, () => random());
const csv = `x,day\n${values.map((x, i) => `${x},${Math.floor(i / 200)}`).join('\n')}\n`;

async function pack(text: string): Promise<PackResult> {
  const folder = await makePackFolder({ 'm.onnx': averagingModel(), 's.csv': csv, 'model.yaml': text });
  return await packVersion({ folder: folder.path, now: 0, logger: makeLogger('test', 'silent') });
}

async function goldenOf({ packed }: PackResult) {
  const { samples } = parseGoldenFile(await readFile(join(packed.folder, 'golden.json')));
  const read = (tensors: (typeof samples)[number]['inputs']) =>
    Object.fromEntries(
      tensors.map((t) => [t.name, [...numbersOf({ ...t, data: Buffer.from(t.data, 'base64') } as Tensor)]]),
    );
  return samples.map(
    ({ inputs, outputs }) => ({ ...read(inputs), ...read(outputs) }) as Record<string, number[]>,
  );
}

/** The answers in service, the state carried by the client, from one new sequence on. */
function served(): number[] {
  let state = 0;
  return values.map((x) => {
    state = 0.9 * state + 0.1 * x;
    return state;
  });
}

function verdictOf({ packed }: PackResult, answers: readonly number[]) {
  const { profile } = packed.manifest;
  const counts = new WindowCounts(profile!);
  for (const [i, y] of answers.entries()) {
    const of = (name: string, value: number): Tensor => ({
      name,
      datatype: 'FP32',
      shape: [1, 1],
      data: encodeNumbers('FP32', [value]),
    });
    counts.add([of('x', values[i]!)], [of('y', y)]);
  }
  return judgeFeatures(profile!, counts.result()).find((feature) => feature.name === 'y')!.verdict;
}

describe('packVersion() of a model with state', () => {
  it('profiles it as it is served, and takes no feature from the state', async () => {
    const result = await pack(`${head}sample: { file: s.csv }\n`);
    expect(result.packed.manifest.profile!.features.map((feature) => feature.name)).toEqual(['x', 'y']);
    expect(result.remarks).toEqual([]);
    // Its answers repeat each other: six hundred are too few to pass, and they are no drift.
    expect(verdictOf(result, served())).toBe('too-few');
  });

  it('would call it drift if each row began anew', async () => {
    const result = await pack(
      `${head.replace('state: { state: stateN }\n', '')}sample: { file: s.csv, fill: { state: { value: 0, shape: [2, 1, 1] } } }\n`,
    );
    expect(verdictOf(result, served())).toBe('drift');
  });

  it('makes golden samples of steps, with the state they were given', async () => {
    const result = await pack(`${head}sample: { file: s.csv }\ngolden: { rows: 3 }\n`);
    const [, step] = await goldenOf(result);
    const at = ROWS / 2;
    expect(step!['x']![0]).toBeCloseTo(values[at]!, 6);
    expect(step!['state']![0]).toBeCloseTo(served()[at - 1]!, 5);
    expect(step!['y']![0]).toBeCloseTo(served()[at]!, 5);
  });

  it.each(['day', '200'])('begins anew where a sequence does: sequence %s', async (sequence) => {
    const golden = (rows: number) =>
      pack(`${head}sample: { file: s.csv, sequence: ${sequence} }\ngolden: { rows: ${rows} }\n`);
    // Rows 4, 13, … of 64 parts of 600; the one at 201 has seen one row of its sequence.
    const steps = await goldenOf(await golden(64));
    const second = steps.find((step) => Math.abs(step['x']![0]! - Math.fround(values[201]!)) < 1e-9)!;
    expect(second['state']![0]).toBeCloseTo(0.1 * values[200]!, 6);
  });

  it('runs golden rows of their own in order, from the first state that the sample names', async () => {
    const folder = await makePackFolder({
      'm.onnx': averagingModel(),
      's.csv': csv,
      'g.csv': 'x\n1\n1\n',
      'model.yaml': `${head}sample: { file: s.csv, fill: { state: { value: 1, shape: [2, 1, 1] } } }\ngolden: { file: g.csv }\n`,
    });
    const result = await packVersion({ folder: folder.path, now: 0, logger: makeLogger('test', 'silent') });
    const steps = await goldenOf(result);
    expect(steps.map((step) => step['state']![0])).toEqual([1, expect.closeTo(1, 6)]);
  });

  it.each([
    ['an input there is not', '{ other: stateN }', /"state" names input "other", but the model has "x" FP32/],
    [
      'an output there is not',
      '{ state: other }',
      /"state" names output "other", but the model has "y" FP32/,
    ],
    ['tensors that do not fit', '{ state: y }', /"state" feeds output "y" FP32 \[\?, 1\] into input "state"/],
  ])('refuses a state of %s', async (_, state, message) => {
    await expect(
      pack(`${head.replace('{ state: stateN }', state)}sample: { file: s.csv }\n`),
    ).rejects.toMatchObject({ code: 'interface_mismatch', message: expect.stringMatching(message) });
  });
});
