import { describe, expect, it } from 'vitest';
import { completeLabelRule, labelRuleOf } from '../../../../cli/packing/label-rule.ts';
import type { TensorSpec } from '../../../../shared/inference/tensor.ts';
import type { LabelRule } from '../../../../shared/manifest/model-manifest.ts';
import type { ClassLabels } from '../../../../shared/onnx/class-labels.ts';

const scores: TensorSpec = { name: 'y', datatype: 'FP32', shape: [-1, 3] };
const numbers: TensorSpec = { name: 'y', datatype: 'INT64', shape: [-1] };
const texts: TensorSpec = { name: 'y', datatype: 'BYTES', shape: [-1] };

interface Given {
  readonly output: TensorSpec;
  readonly rule?: Partial<LabelRule>;
  readonly classes?: readonly string[];
  readonly known?: ClassLabels;
}

const complete = ({ output, rule, classes, known }: Given) =>
  completeLabelRule({ label: { output: 'y', kind: 'classification', ...rule }, classes, output, known });

describe('completeLabelRule()', () => {
  it.each<[string, Given, Partial<LabelRule>]>([
    [
      'the values that the file names for a class',
      { output: numbers, classes: ['a', 'b'], known: [1, 2] },
      { read: 'class', values: [1, 2] },
    ],
    [
      'the classes that the file names for scores',
      { output: scores, known: ['p', 'q', 'r'] },
      { read: 'argmax', values: ['p', 'q', 'r'] },
    ],
    [
      'no values where texts are the class names',
      { output: texts, classes: ['q', 'p'], known: ['p', 'q'] },
      { read: 'class' },
    ],
    [
      'texts that stand for other names',
      { output: texts, classes: ['good', 'bad'], known: ['g', 'b'] },
      { values: ['g', 'b'] },
    ],
    [
      'values of model.yaml that the file confirms',
      { output: numbers, rule: { values: [1, 2] }, known: [1, 2] },
      { values: [1, 2] },
    ],
  ])('takes %s', (_, given, expected) => {
    const rule = complete(given);
    expect(rule).toMatchObject(expected);
    expect(Object.hasOwn(rule, 'values')).toBe(Object.hasOwn(expected, 'values'));
  });

  it.each<[string, Given, RegExp]>([
    [
      'values other than those in the file',
      { output: numbers, rule: { values: [0, 1] }, known: [1, 2] },
      /"values" are 0, 1, but by the model file "y" gives 1, 2/,
    ],
    [
      'another number of names than the file has classes',
      { output: numbers, classes: ['a'], known: [1, 2] },
      /"classes" names 1, but by the model file "y" gives 1, 2/,
    ],
    [
      'names of scores in another order than the file',
      { output: scores, classes: ['q', 'p', 'r'], known: ['p', 'q', 'r'] },
      /another order than in the model file, which has p, q, r/,
    ],
    [
      'values and names of different number',
      { output: numbers, rule: { values: [1, 2, 3] }, classes: ['a', 'b'] },
      /"values" has 3 entries and "classes" has 2/,
    ],
    [
      'two classes of one name',
      { output: scores, classes: ['a', 'b', 'a'] },
      /two classes have the name "a"/,
    ],
    [
      'a class in several columns',
      { output: { ...numbers, shape: [-1, 2] } },
      /"read: class" needs a single column/,
    ],
    [
      'a threshold beside the best of several',
      { output: scores, rule: { threshold: 0.1 } },
      /"threshold" needs a single score/,
    ],
    [
      'values of a regression',
      { output: scores, rule: { kind: 'regression', values: [1] } },
      /apply to a classification only/,
    ],
    ['texts held to a threshold', { output: texts, rule: { read: 'threshold' } }, /is not a score/],
    ['the best of texts', { output: texts, rule: { read: 'argmax' } }, /does not contain scores/],
  ])('refuses %s', (_, given, message) => {
    expect(() => complete(given)).toThrow(expect.objectContaining({ code: 'interface_mismatch' }));
    expect(() => complete(given)).toThrow(message);
  });
});

describe('labelRuleOf() without a rule', () => {
  const ruleOf = (output: TensorSpec, classes: readonly string[], known?: ClassLabels) =>
    labelRuleOf(
      { classes: [...classes], label: undefined },
      { outputs: [output], classLabels: new Map(known ? [['y', known]] : []) },
    );
  const of = (...shape: number[]): TensorSpec => ({ name: 'y', datatype: 'FP32', shape });

  it.each<[string, TensorSpec, readonly string[], ClassLabels?]>([
    ['fewer names than scores', scores, ['a', 'b']],
    ['more names than scores with axes of one behind', of(1, 3, 1, 1), ['a', 'b', 'c', 'd']],
    ['three names for one score', of(-1, 1), ['a', 'b', 'c']],
    ['fewer names than scores of one row', of(3), ['a', 'b']],
    ['fewer names than classes in the file', numbers, ['a', 'b'], [1, 2, 3]],
  ])('refuses %s', (_, output, classes, known) => {
    expect(() => ruleOf(output, classes, known)).toThrow(
      expect.objectContaining({
        code: 'interface_mismatch',
        message: expect.stringMatching(
          new RegExp(
            `"classes" names ${classes.length} classes, but no output has one score for each .*: "y" `,
          ),
        ),
      }),
    );
  });

  it.each<[string, TensorSpec, readonly string[], ClassLabels?]>([
    ['a score for each', scores, ['a', 'b', 'c']],
    ['a score for each of one row', of(3), ['a', 'b', 'c']],
    ['one score of two classes', of(-1, 1), ['a', 'b']],
    ['scores whose number is open', of(-1, -1), ['a', 'b', 'c']],
    ['the class itself', numbers, ['a', 'b']],
    ['the class itself, as many as in the file', numbers, ['a', 'b'], [1, 2]],
    ['texts', texts, ['a', 'b']],
    ['a mask with a channel for each', of(1, 3, 64, 64), ['a', 'b', 'c']],
    ['boxes with scores behind', of(1, 7, 8400), ['a', 'b', 'c']],
  ])('takes names for an output of %s', (_, output, classes, known) => {
    expect(ruleOf(output, classes, known)).toBeUndefined();
  });
});
