import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LabelFigures } from '../../../../shared/protocol/telemetry-report.ts';
import {
  calibrationBinOf,
  labelledAnswers,
  negatedLabels,
  sumLabels,
} from '../../../../shared/sketch/label-sums.ts';

const count = fc.integer({ min: 0, max: 1_000 });
const bins = fc.array(count, { minLength: 10, maxLength: 10 });
/** Some have all fields, some only those of agents that sent fewer. */
const classification: fc.Arbitrary<LabelFigures> = fc.record(
  {
    kind: fc.constant('classification' as const),
    n: count,
    answers: count,
    correct: count,
    confusion: fc.array(count, { minLength: 9, maxLength: 9 }),
    calibration: fc.record({ n: bins, confidence: bins, correct: bins }),
  },
  { requiredKeys: ['kind', 'n', 'correct'] },
);
/** Halves, so that sums of floating point are exact and may be compared. */
const half = fc.integer({ min: -1_000, max: 1_000 }).map((n) => n / 2);
const regression: fc.Arbitrary<LabelFigures> = fc.record(
  {
    kind: fc.constant('regression' as const),
    n: count,
    answers: count,
    absoluteError: half.map(Math.abs),
    squaredError: half.map(Math.abs),
    signedError: fc.record({ n: count, sum: half }),
  },
  { requiredKeys: ['kind', 'n', 'absoluteError', 'squaredError'] },
);
const manyOfOneKind = fc.oneof(
  fc.array(classification, { minLength: 1, maxLength: 12 }),
  fc.array(regression, { minLength: 1, maxLength: 12 }),
);

const sumOf = (all: readonly LabelFigures[]) =>
  all.reduce<LabelFigures | undefined>((sum, more) => sumLabels(sum, more), undefined);
/** Answers of a single window may be left out; in a sum they are what they count as. */
const counted = (labels: LabelFigures | undefined) =>
  labels && { ...labels, answers: labelledAnswers(labels) };

describe('sums of label figures', () => {
  it('are the same in any order and however they are split', () => {
    fc.assert(
      fc.property(manyOfOneKind, fc.nat(), (all, at) => {
        const cut = at % all.length;
        const parts = [sumOf(all.slice(cut)), sumOf(all.slice(0, cut))].filter((part) => part !== undefined);
        expect(counted(sumOf(parts))).toEqual(counted(sumOf(all)));
        expect(counted(sumOf(all.toReversed()))).toEqual(counted(sumOf(all)));
      }),
    );
  });

  it('are without what was subtracted as if it had never been added', () => {
    fc.assert(
      fc.property(manyOfOneKind, (all) => {
        const [gone, ...kept] = all;
        fc.pre(kept.length > 0);
        const zeros = counted(sumLabels(sumOf(all), negatedLabels(gone!)))!;
        const expected = counted(sumOf(kept))!;
        for (const [field, value] of Object.entries(expected)) {
          expect(zeros[field as keyof LabelFigures], field).toEqual(value);
        }
      }),
    );
  });

  it('take labels of an agent that does not count answers as answers of one row', () => {
    const old: LabelFigures = { kind: 'classification', n: 4, correct: 1 };
    expect(sumLabels(undefined, old)).toBe(old);
    expect(sumLabels(old, { ...old, answers: 2 })).toEqual({
      kind: 'classification',
      n: 8,
      answers: 6,
      correct: 2,
    });
    expect(sumLabels(old, old)).toEqual({ kind: 'classification', n: 8, correct: 2 });
  });

  it.each([
    [0, 0],
    [99, 0],
    [100, 1],
    [999, 9],
    [1_000, 9],
  ])('put a confidence of %i thousandths into bin %i', (confidence, bin) => {
    expect(calibrationBinOf(confidence)).toBe(bin);
  });
});
