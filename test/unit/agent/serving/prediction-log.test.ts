import { describe, expect, it } from 'vitest';
import { labelledVersion, logInMemory } from '../../../support/prediction-stores.ts';
import { fp32 } from '../../../support/serving-slot.ts';

const regression = labelledVersion();
const rule = { output: 'y', kind: 'classification' as const };
const classes = labelledVersion({ label: rule, classes: ['cat', 'dog'] });
const coded = (code: string) => expect.objectContaining({ code });

describe('PredictionLog', () => {
  it('pairs a number with the first column of each row', async () => {
    const log = logInMemory();
    log.keep('one', regression, [fp32('other', [1], [9]), fp32('y', [1, 1], [2])]);
    log.keep('two', regression, [fp32('y', [2, 2], [1, 9, 3, 9])]);
    expect((await log.label('m', 'one', 2.5)).rows).toEqual([{ predicted: 2, actual: 2.5 }]);
    expect((await log.label('m', 'two', [1, 2])).rows).toEqual([
      { predicted: 1, actual: 1 },
      { predicted: 3, actual: 2 },
    ]);
  });

  it('takes the best score as the class, by name, and labels by name or number', async () => {
    const log = logInMemory();
    const label = { name: 'y', datatype: 'INT64' as const, shape: [1] };
    log.keep('scores', classes, [fp32('y', [1, 2], [0.2, 0.8])]);
    log.keep('number', classes, [{ ...label, data: new Uint8Array(BigInt64Array.of(0n).buffer) }]);
    expect((await log.label('m', 'scores', 'cat')).rows).toEqual([
      { predicted: 'dog', actual: 'cat', confidence: 800 },
    ]);
    expect((await log.label('m', 'number', 1)).rows).toEqual([{ predicted: 'cat', actual: 'dog' }]);
  });

  it('holds one score to a threshold, and takes truth values as labels', async () => {
    const log = logInMemory();
    const sigmoid = labelledVersion({ label: rule, classes: ['ok', 'faulty'] });
    log.keep('a', sigmoid, [fp32('y', [3, 1], [0.2, 0.5, 0.9])]);
    expect((await log.label('m', 'a', ['ok', 1, true])).rows).toEqual([
      { predicted: 'ok', actual: 'ok', confidence: 800 },
      { predicted: 'faulty', actual: 'faulty', confidence: 500 },
      { predicted: 'faulty', actual: 'faulty', confidence: 900 },
    ]);
  });

  it('refuses labels that do not fit, and then takes one that does', async () => {
    const log = logInMemory();
    log.keep('a', regression, [fp32('y', [1, 1], [2])]);
    log.keep('b', classes, [fp32('y', [1, 2], [1, 0])]);
    await expect(log.label('m', 'a', 'warm')).rejects.toEqual(coded('label_invalid'));
    await expect(log.label('m', 'a', [1, 2])).rejects.toEqual(coded('label_invalid'));
    await expect(log.label('m', 'b', 'bird')).rejects.toEqual(coded('label_invalid'));
    await expect(log.label('m', 'b', 2)).rejects.toEqual(coded('label_invalid'));
    expect((await log.label('m', 'a', 1)).rows).toHaveLength(1);
    await expect(log.label('m', 'a', 1)).rejects.toEqual(coded('label_known'));
  });

  it('keeps nothing for a version without a label rule', async () => {
    const log = logInMemory();
    const { label: _, ...manifest } = regression.manifest;
    log.keep('a', { ...regression, manifest }, [fp32('y', [1, 1], [2])]);
    await expect(log.label('m', 'a', 1)).rejects.toEqual(coded('prediction_unknown'));
  });

  it('keeps the latest answers only, and names the time since when', async () => {
    const log = logInMemory();
    const given = 10_000;
    for (let i = 0; i < given; i += 1) log.keep(`id-${i}`, regression, [fp32('y', [1, 1], [i])]);
    await expect(log.label('m', 'id-0', 1)).rejects.toMatchObject({
      code: 'prediction_unknown',
      message: expect.stringContaining(
        'no answer "id-0" of "m" is stored. The oldest that is stored was given at 2023-11-14',
      ),
    });
    const { rows } = await log.label('m', `id-${given - 1}`, 1);
    expect(rows).toEqual([{ predicted: given - 1, actual: 1 }]);
  });

  it('takes one of two labels that come at once', async () => {
    const log = logInMemory();
    log.keep('a', regression, [fp32('y', [1, 1], [2])]);
    const both = await Promise.allSettled([log.label('m', 'a', 1), log.label('m', 'a', 1)]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('does not fail a request whose output cannot be read', async () => {
    const log = logInMemory();
    log.keep('a', regression, [{ ...fp32('y', [1, 1], [2]), data: new Uint8Array(3) }]);
    await expect(log.label('m', 'a', 1)).rejects.toEqual(coded('prediction_unknown'));
  });
});
