import { describe, expect, it } from 'vitest';
import { labelError } from '../../../../hub/telemetry/label-error.ts';

const bins = (at: Readonly<Record<number, number>>) => Array.from({ length: 10 }, (_, bin) => at[bin] ?? 0);

describe('labelError()', () => {
  it('weighs the distance of confidence and accuracy by the labels of each bin', () => {
    const calibration = {
      n: bins({ 6: 4, 9: 12 }),
      confidence: bins({ 6: 2_600, 9: 11_400 }),
      correct: bins({ 6: 3, 9: 9 }),
    };
    const figures = { kind: 'classification' as const, n: 20, answers: 20, correct: 15, calibration };
    expect(labelError(figures)).toEqual({
      kind: 'classification',
      n: 20,
      answers: 20,
      accuracy: 0.75,
      calibration: {
        n: 16,
        error: (4 * Math.abs(0.75 - 0.65) + 12 * Math.abs(0.75 - 0.95)) / 16,
        bins: [
          { n: 4, confidence: 0.65, accuracy: 0.75 },
          { n: 12, confidence: 0.95, accuracy: 0.75 },
        ],
      },
    });
  });

  it('shows confusion by class where the classes are known', () => {
    const figures = { kind: 'classification' as const, n: 6, correct: 4, confusion: [3, 1, 0, 1] };
    expect(labelError(figures, ['cat', 'dog'])).toMatchObject({
      answers: 6,
      confusion: {
        n: 5,
        classes: ['cat', 'dog'],
        counts: [
          [3, 1],
          [0, 1],
        ],
      },
    });
    expect(labelError(figures)).not.toHaveProperty('confusion');
    expect(labelError(figures, ['cat', 'dog', 'bird'])).not.toHaveProperty('confusion');
  });

  it('takes the bias over the labels that have a signed error', () => {
    const sums = { kind: 'regression' as const, n: 4, absoluteError: 6, squaredError: 16 };
    expect(labelError({ ...sums, signedError: { n: 2, sum: -3 } })).toEqual({
      kind: 'regression',
      n: 4,
      answers: 4,
      mae: 1.5,
      rmse: 2,
      bias: -1.5,
    });
    expect(labelError(sums)).not.toHaveProperty('bias');
  });

  it('is nothing without labels, or when sums are not finite', () => {
    expect(labelError(undefined)).toBeUndefined();
    expect(labelError({ kind: 'classification', n: 0, correct: 0 })).toBeUndefined();
    const endless = { kind: 'regression' as const, n: 1, absoluteError: Number.POSITIVE_INFINITY };
    expect(labelError({ ...endless, squaredError: 1 })).toBeUndefined();
  });
});
