import { describe, expect, it } from 'vitest';
import { exportModel } from '../../../../demo/training/export-model.ts';
import { errorOf, predict } from '../../../../demo/training/perceptron.ts';
import { readPerceptron } from '../../../../demo/training/read-perceptron.ts';
import { train } from '../../../../demo/training/train.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import { readOnnxInterface } from '../../../../shared/onnx/read-model.ts';

const random = seededRandom(5);
const rows = Array.from({ length: 400 }, () => [10 * random(), 100 + 50 * random()]);
const targets = rows.map(([a, b]) => Math.abs(a! - 5) + b! / 50);

describe('train()', () => {
  it('learns a function no line fits', () => {
    const spread = Math.sqrt(targets.reduce((s, t) => s + (t - mean(targets)) ** 2, 0) / targets.length);
    const before = errorOf(train({ rows, targets, seed: 1, steps: 1 }), rows, targets);
    const after = errorOf(train({ rows, targets, seed: 1, steps: 2_000 }), rows, targets);
    expect(after.rmse).toBeLessThan(0.1 * spread);
    expect(after.rmse).toBeLessThan(0.1 * before.rmse);
  });

  it('gives the same weights for the same seed', () => {
    const options = { rows, targets, steps: 50 };
    expect(train({ ...options, seed: 4 })).toEqual(train({ ...options, seed: 4 }));
    expect(train({ ...options, seed: 4 })).not.toEqual(train({ ...options, seed: 5 }));
  });

  it('refuses to learn from nothing', () => {
    expect(() => train({ rows: [], targets: [], seed: 1 })).toThrow('Cannot train: there are no rows.');
  });
});

describe('exportModel() and readPerceptron()', () => {
  it('carry the net through ONNX, to float32', () => {
    const net = train({ rows, targets, seed: 1, steps: 200 });
    const onnx = exportModel(net, { name: 'n', input: 'x', output: 'y' });
    expect(readOnnxInterface(onnx)).toMatchObject({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
    });
    const back = readPerceptron(onnx);
    for (const row of rows.slice(0, 20)) expect(predict(back, row)).toBeCloseTo(predict(net, row), 4);
  });
});

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
