import { describe, expect, it } from 'vitest';
import type { LabelFigures } from '../../../../shared/protocol/telemetry-report.ts';
import { labelFigures } from '../../../../shared/telemetry/label-figures.ts';
import type { LabelTerms } from '../../../../shared/telemetry/label-reading.ts';

const classified = (classes?: string[]): LabelTerms => ({
  label: { output: 'y', kind: 'classification' },
  classes,
});
const regression: LabelTerms = { label: { output: 'y', kind: 'regression' } };

describe('labelFigures()', () => {
  it('counts the rows of an answer by actual and predicted class, and by confidence', () => {
    const figures = labelFigures(classified(['cat', 'dog']), [
      { predicted: 'cat', actual: 'cat', confidence: 950 },
      { predicted: 'cat', actual: 'dog', confidence: 920 },
      { predicted: 'dog', actual: 'dog' },
    ]);
    expect(figures).toEqual({
      kind: 'classification',
      n: 3,
      answers: 1,
      correct: 2,
      confusion: [1, 0, 1, 1],
      calibration: {
        n: [0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        confidence: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1_870],
        correct: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      },
    });
  });

  it('counts a prediction that is no class as wrong, and in no cell', () => {
    const [figures] = [labelFigures(classified(['cat', 'dog']), [{ predicted: Number.NaN, actual: 'cat' }])];
    expect(figures).toMatchObject({ n: 1, correct: 0, confusion: [0, 0, 0, 0] });
  });

  it.each([
    ['more classes than are told apart', Array.from({ length: 17 }, (_, i) => `class-${i}`)],
    ['classes that are not known', undefined],
  ])('counts right and wrong alone with %s', (_, classes) => {
    const row = { predicted: 'class-1', actual: 'class-1' };
    expect(labelFigures(classified(classes), [row])).toEqual({
      kind: 'classification',
      n: 1,
      answers: 1,
      correct: 1,
    } satisfies LabelFigures);
  });

  it('adds absolute, squared and signed errors, and leaves out what is no number', () => {
    const figures = labelFigures(regression, [
      { predicted: 1, actual: 3 },
      { predicted: 5, actual: 4 },
      { predicted: Number.NaN, actual: 4 },
    ]);
    expect(figures).toEqual({
      kind: 'regression',
      n: 2,
      answers: 1,
      absoluteError: 3,
      squaredError: 5,
      signedError: { n: 2, sum: -1 },
    });
    expect(labelFigures(regression, [{ predicted: Number.NaN, actual: 4 }])).toBeUndefined();
  });
});
