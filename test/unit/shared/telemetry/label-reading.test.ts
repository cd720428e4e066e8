import { describe, expect, it } from 'vitest';
import { encodeStrings } from '../../../../shared/inference/exact-values.ts';
import type { Datatype, Tensor } from '../../../../shared/inference/tensor.ts';
import { encodeNumbers } from '../../../../shared/inference/tensor-values.ts';
import type { LabelRule } from '../../../../shared/manifest/model-manifest.ts';
import {
  actualLabel,
  type Label,
  type LabelTerms,
  predictedConfidences,
  predictedLabels,
} from '../../../../shared/telemetry/label-reading.ts';

const output = (datatype: Datatype, shape: number[], values: readonly (number | bigint)[]): Tensor => ({
  name: 'y',
  datatype,
  shape,
  data: encodeNumbers(datatype, values),
});
const texts = (values: string[]): Tensor => ({
  name: 'y',
  datatype: 'BYTES',
  shape: [values.length],
  data: encodeStrings(values),
});
const terms = (rule: Partial<LabelRule> = {}, classes?: string[]): LabelTerms => ({
  label: { output: 'y', kind: 'classification', ...rule },
  classes,
});

/** Share of rows in which labels agree with what is read. */
function agreement(rule: LabelTerms, tensor: Tensor, labels: readonly (Label | boolean)[]): number {
  const predicted = predictedLabels(rule, tensor);
  return (
    labels.filter((label, row) => String(actualLabel(rule, label)) === String(predicted[row])).length /
    labels.length
  );
}

describe('predictedLabels() and actualLabel()', () => {
  it.each<[string, LabelTerms, Tensor, (Label | boolean)[]]>([
    [
      'a sigmoid of one column',
      terms({}, ['ok', 'faulty']),
      output('FP32', [3, 1], [0.1, 0.5, 0.9]),
      ['ok', 'faulty', 'faulty'],
    ],
    ['a sigmoid of rank 1', terms({}, ['ok', 'faulty']), output('FP32', [2], [0.1, 0.9]), [0, 1]],
    ['a sigmoid without class names', terms(), output('FP32', [2, 1], [0.1, 0.9]), [false, true]],
    [
      'a logit and its threshold',
      terms({ threshold: 0 }, ['no', 'yes']),
      output('FP32', [2, 1], [-0.1, 0.1]),
      ['no', 'yes'],
    ],
    [
      'scores of several columns',
      terms({}, ['a', 'b', 'c']),
      output('FP32', [2, 3], [0, 1, 0, 0, 0, 1]),
      ['b', 'c'],
    ],
    [
      'scores of an image classifier',
      terms({}, ['a', 'b']),
      output('FP32', [2, 2, 1, 1], [0, 1, 1, 0]),
      ['b', 'a'],
    ],
    [
      'scores whose classes are numbers',
      terms({ values: [3, 5, 7] }),
      output('FP32', [2, 3], [0, 1, 0, 1, 0, 0]),
      [5, 3],
    ],
    ['class numbers from 0', terms({}, ['low', 'high']), output('INT64', [2], [1n, 0n]), ['high', 'low']],
    [
      'class numbers from 0, labelled by number',
      terms({}, ['low', 'high']),
      output('INT64', [2], [1n, 0n]),
      [1, 0],
    ],
    [
      'class values from 1',
      terms({ values: [1, 2, 3] }, ['low', 'mid', 'high']),
      output('INT64', [3], [1n, 3n, 2n]),
      ['low', 'high', 'mid'],
    ],
    [
      'class values from 1, labelled by value',
      terms({ values: [1, 2, 3] }, ['low', 'mid', 'high']),
      output('INT64', [3], [1n, 3n, 2n]),
      [1, 3, '2'],
    ],
    [
      'class values −1 and 1',
      terms({ values: [-1, 1] }, ['no', 'yes']),
      output('INT32', [2], [-1, 1]),
      ['no', 'yes'],
    ],
    [
      'class values as reals',
      terms({ read: 'class', values: [1, 2] }),
      output('FP32', [2, 1], [2, 1]),
      [2, 1],
    ],
    ['class numbers without names', terms(), output('INT64', [2], [7n, 900n]), [7, '900']],
    ['class ids beyond 2^53', terms(), output('INT64', [1], [9_007_199_254_740_993n]), ['9007199254740993']],
    ['texts', terms(), texts(['ok', 'faulty']), ['ok', 'faulty']],
    ['texts with class names', terms({}, ['ok', 'faulty']), texts(['ok', 'faulty']), ['ok', 'faulty']],
    [
      'texts that stand for names',
      terms({ values: ['0', 'F'] }, ['ok', 'faulty']),
      texts(['F', '0']),
      ['faulty', 'ok'],
    ],
    ['class values that are the names', terms({}, ['1', '2', '3']), output('INT64', [2], [1n, 3n]), [1, '3']],
    ['truth values', terms(), output('BOOL', [2], [1, 0]), [true, false]],
    [
      'truth values with class names',
      terms({}, ['shut', 'open']),
      output('BOOL', [2], [1, 0]),
      ['open', 'False'],
    ],
    ['names that are numbers', terms({}, ['1', '2', '3']), output('FP32', [1, 3], [1, 0, 0]), [1]],
  ])('agree on %s', (_, rule, tensor, labels) => {
    expect(agreement(rule, tensor, labels)).toBe(1);
  });

  it('read no class from a NaN score', () => {
    expect(predictedLabels(terms({}, ['a', 'b']), output('FP32', [1, 1], [Number.NaN]))).toEqual([
      Number.NaN,
    ]);
  });

  it.each<[LabelTerms, Label]>([
    [terms({}, ['low', 'high']), 'mid'],
    [terms({}, ['low', 'high']), 2],
    [terms({}, ['low', 'high']), ''],
    [terms({ values: [1, 2] }, ['low', 'high']), 0],
    [terms({}, ['1', '2']), 0],
    [terms({ values: [3, 5] }), 1],
    [terms({ kind: 'regression' }), 'warm'],
    [terms(), 2 ** 53],
  ])('refuse a label that the model does not know', (rule, label) => {
    expect(() => actualLabel(rule, label)).toThrow(expect.objectContaining({ code: 'label_invalid' }));
  });
});

describe('predictedConfidences()', () => {
  it.each<[string, LabelTerms, Tensor, (number | undefined)[] | undefined]>([
    [
      'the probability of the best of several scores',
      terms({}, ['a', 'b', 'c']),
      output('FP32', [2, 3], [0.25, 0.7, 0.05, 0.4, 0.2, 0.4]),
      [700, 400],
    ],
    [
      'the probability of the class that one score means',
      terms({}, ['ok', 'faulty']),
      output('FP32', [3, 1], [0.25, 0.5, 0.9]),
      [750, 500, 900],
    ],
    [
      'less than half where the threshold is low',
      terms({ threshold: 0.25 }, ['ok', 'faulty']),
      output('FP32', [1, 1], [0.375]),
      [375],
    ],
    ['one at most, though rounding exceeds it', terms(), output('FP32', [1, 2], [1.004, -0.001]), [1_000]],
    ['nothing for logits', terms({}, ['a', 'b']), output('FP32', [1, 2], [4, -3]), [undefined]],
    [
      'nothing for scores that do not add up to one',
      terms({}, ['a', 'b']),
      output('FP32', [1, 2], [0.9, 0.8]),
      [undefined],
    ],
    ['nothing for NaN', terms({}, ['a', 'b']), output('FP32', [1, 2], [Number.NaN, 1]), [undefined]],
    ['nothing for a score held to zero', terms({ threshold: 0 }), output('FP32', [1, 1], [0.5]), undefined],
    ['nothing for a class', terms(), output('INT64', [1], [1n]), undefined],
    ['nothing for a text', terms({}, ['a']), texts(['a']), undefined],
    ['nothing for a number', terms({ kind: 'regression' }), output('FP32', [1, 1], [0.5]), undefined],
  ])('give %s', (_, rule, tensor, confidences) => {
    expect(predictedConfidences(rule, tensor)).toEqual(confidences);
  });
});
