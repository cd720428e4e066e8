import { describe, expect, it } from 'vitest';
import { planFeatures } from '../../../../cli/packing/feature-plan.ts';
import { limits } from '../../../../shared/base/limits.ts';
import type { Datatype } from '../../../../shared/inference/tensor.ts';

describe('planFeatures()', () => {
  const none = { columnNames: () => undefined, categories: () => [] };

  it('takes columns of tables, summaries of images, and no states', () => {
    const { plans, remarks } = planFeatures({
      ...none,
      inputs: [
        { name: 'table', datatype: 'FP32', shape: [-1, 2] },
        { name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28] },
        { name: 'frame', datatype: 'FP32', shape: [-1, -1] },
        { name: 'sr', datatype: 'INT64', shape: [] },
      ],
      outputs: [
        { name: 'y', datatype: 'FP32', shape: [-1, 1] },
        { name: 'logits', datatype: 'FP32', shape: [1, 10] },
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'state', datatype: 'FP32', shape: [2, -1, 128] },
      ],
    });
    expect(plans.map((plan) => plan.name)).toEqual([
      'table[0]',
      'table[1]',
      'image mean',
      'image stddev',
      'frame mean',
      'frame stddev',
      'y',
      'logits argmax',
      'logits max',
      'label',
    ]);
    expect(remarks).toEqual([
      'input "sr" INT64 has no feature, so its drift is not seen: it is one number for the whole request',
      'output "state" FP32 has no feature, so its drift is not seen: its first axis does not count rows',
    ]);
  });

  it('refuses two features of one name', () => {
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [-1, 2] }];
    expect(() =>
      planFeatures({ inputs, outputs: [], categories: () => [], columnNames: () => ['a', 'a'] }),
    ).toThrow(/two features have the name "a"/);
  });

  it('plans as many features as a profile holds, and refuses one more', () => {
    const table = (name: string, columns: number) => ({
      name,
      datatype: 'FP32' as const,
      shape: [-1, columns],
    });
    const half = limits.featuresMax / 2;
    const inputs = [table('a', half), table('b', half)];
    expect(planFeatures({ ...none, inputs, outputs: [] }).plans).toHaveLength(limits.featuresMax);
    expect(() => planFeatures({ ...none, inputs, outputs: [table('y', 1)] })).toThrow(
      expect.objectContaining({
        code: 'too_large',
        message: `Cannot profile the sample: it has ${limits.featuresMax + 1} features, but at most ${limits.featuresMax} are allowed.`,
      }),
    );
  });

  const planned = (side: 'inputs' | 'outputs', shape: number[], datatype: Datatype = 'FP32') =>
    planFeatures({ ...none, inputs: [], outputs: [], [side]: [{ name: 't', datatype, shape }] }).plans;
  const names = (...args: Parameters<typeof planned>) => planned(...args).map((plan) => plan.name);

  it.each([
    ['NCHW', [-1, 3, 224, 224], 1],
    ['NCHW of any size', [1, 3, -1, -1], 1],
    ['NHWC', [1, 224, 224, 3], 3],
    ['CHW', [3, 224, 224], 0],
    ['HWC', [224, 224, 3], 2],
  ])('takes mean and deviation of each channel of an image laid out as %s', (_, shape, axis) => {
    expect(names('inputs', shape)).toEqual([
      't[0] mean',
      't[0] stddev',
      't[1] mean',
      't[1] stddev',
      't[2] mean',
      't[2] stddev',
    ]);
    expect(planned('inputs', shape)[3]!.source).toEqual({ tensor: 't', axis, channel: 1, summary: 'stddev' });
  });

  it.each<[string, number[], string[]]>([
    ['scores with axes of one behind', [1, 1000, 1, 1], ['t argmax', 't max']],
    ['scores with an open axis', [-1, -1], ['t argmax', 't max']],
    ['two numbers at a rank of three', [1, 2, 1], ['t[0]', 't[1]']],
    ['one number at a rank of four', [-1, 1, 1, 1], ['t']],
    ['boxes', [1, 300, 6], ['t mean', 't stddev']],
    ['a mask', [-1, 1, 64, 64], ['t mean', 't stddev']],
  ])('gives outputs of %s a feature', (_, shape, wanted) => {
    expect(names('outputs', shape)).toEqual(wanted);
  });

  it('takes a tensor of one fixed axis for one row, not for values of one feature', () => {
    expect(planned('inputs', [3])).toMatchObject([
      { name: 't[0]', source: { tensor: 't', element: 0 } },
      { name: 't[1]', source: { tensor: 't', element: 1 } },
      { name: 't[2]', source: { tensor: 't', element: 2 } },
    ]);
    expect(planned('outputs', [10])).toHaveLength(10);
    expect(planned('outputs', [-1])).toMatchObject([{ name: 't', source: { tensor: 't', column: 0 } }]);
    expect(planned('outputs', [1])).toMatchObject([{ name: 't', source: { tensor: 't', column: 0 } }]);
  });

  it('says where only the mean and deviation of many columns are watched', () => {
    const { remarks } = planFeatures({
      ...none,
      inputs: [{ name: 't', datatype: 'FP32', shape: [-1, 200] }],
      outputs: [],
    });
    expect(remarks).toEqual([
      'input "t" FP32 has 200 columns, more than 128: only the mean and deviation of its rows are watched',
    ]);
  });

  it('gives whole-number vectors and texts a feature', () => {
    expect(names('outputs', [-1, 20], 'INT64')).toEqual(['t mean', 't stddev']);
    expect(planned('outputs', [-1], 'BYTES')).toMatchObject([{ name: 't', kind: [] }]);
    expect(planned('inputs', [-1, 2], 'BYTES')).toMatchObject([
      { name: 't[0]', kind: [] },
      { name: 't[1]', kind: [] },
    ]);
    expect(planned('inputs', [-1, 1], 'BOOL')).toMatchObject([{ name: 't', kind: 'integers' }]);
  });

  it('tells an output from the input of its name, and shortens long names', () => {
    const spec = { name: 'v', datatype: 'FP32' as const, shape: [-1, 1] };
    const long = { ...spec, name: `${'scope/'.repeat(30)}end` };
    const { plans } = planFeatures({ ...none, inputs: [spec], outputs: [spec, long] });
    expect(plans.map((plan) => plan.name)).toEqual([
      'v',
      'output v',
      expect.stringMatching(/^scope\/.*….*end$/),
    ]);
    expect(plans[2]!.name.length).toBeLessThanOrEqual(128);
  });
});
