import { expect, it } from 'vitest';
import { labelText, labelTitles } from '../../../../cli/commands/telemetry-text.ts';
import { StreamPrinter } from '../../../../cli/printer.ts';
import type { LabelError, VersionFigures } from '../../../../shared/api/telemetry.ts';

const classified: LabelError = {
  kind: 'classification',
  n: 20,
  answers: 10,
  accuracy: 0.85,
  calibration: { n: 20, error: 0.0213, bins: [] },
  confusion: {
    n: 20,
    classes: ['cat', 'dog', 'bird'],
    counts: [
      [9, 0, 0],
      [2, 5, 0],
      [1, 0, 3],
    ],
  },
};

it.each<[LabelError, string]>([
  [classified, 'accuracy 85.0 %, calibration error 2.1 % over 20 labels'],
  [{ kind: 'classification', n: 4, accuracy: 0.5 }, 'accuracy 50.0 % over 4 labels'],
  [
    { kind: 'regression', n: 4, mae: 1.5, rmse: 2, bias: -0.25 },
    'MAE 1.50, RMSE 2.00, bias -0.250 over 4 labels',
  ],
  [{ kind: 'regression', n: 4, mae: 1.5, rmse: 2 }, 'MAE 1.50, RMSE 2.00 over 4 labels'],
])('labelText() gives the error in words', (labels, text) => {
  expect(labelText(labels)).toBe(text);
});

it('the table shows the share of answers with a label, and with -o wide what is confused most often', () => {
  const version = { labels: classified, labelledShare: 0.125 } as VersionFigures;
  const none = {} as VersionFigures;
  const tableOf = (format: 'table' | 'wide') =>
    new StreamPrinter({ format, out: () => undefined, err: () => undefined }).table(
      [version, none],
      labelTitles,
    );
  expect(tableOf('table')).toEqual([
    'AGAINST LABELS                                           LABELLED',
    'accuracy 85.0 %, calibration error 2.1 % over 20 labels    12.5 %',
    '–                                                               –',
  ]);
  expect(tableOf('wide')[0]).toMatch(/CONFUSED MOST OFTEN$/);
  expect(tableOf('wide')[1]).toMatch(/12\.5 % {2}dog as cat 2, bird as cat 1$/);
  expect(tableOf('wide')[2]).toMatch(/–$/);
});
