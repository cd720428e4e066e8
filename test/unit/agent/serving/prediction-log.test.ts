import { describe, expect, it } from 'vitest';
import { PredictionLog } from '../../../../agent/serving/prediction-log.ts';
import type { ServedVersion } from '../../../../agent/telemetry/observation.ts';
import { limits } from '../../../../shared/base/limits.ts';
import type { LabelRule, ModelManifest } from '../../../../shared/manifest/model-manifest.ts';
import { fp32 } from '../../../support/serving-slot.ts';

function version(label?: LabelRule, classes?: string[]): ServedVersion {
  const face = { inputs: [], outputs: [], ...(classes && { classes }) };
  const manifest = { interface: face, ...(label && { label }) } as unknown as ModelManifest;
  return { model: 'm', version: '1.0.0', manifestSha256: 'd', manifest };
}

const regression = version({ output: 'y', kind: 'regression' });
const classes = version({ output: 'y', kind: 'classification' }, ['cat', 'dog']);
const coded = (code: string) => expect.objectContaining({ code });

describe('PredictionLog', () => {
  it('pairs a number with the first column of each row', () => {
    const log = new PredictionLog();
    log.keep('one', regression, [fp32('other', [1], [9]), fp32('y', [1, 1], [2])]);
    log.keep('two', regression, [fp32('y', [2, 2], [1, 9, 3, 9])]);
    expect(log.label('m', 'one', 2.5).rows).toEqual([{ predicted: 2, actual: 2.5 }]);
    expect(log.label('m', 'two', [1, 2]).rows).toEqual([
      { predicted: 1, actual: 1 },
      { predicted: 3, actual: 2 },
    ]);
  });

  it('takes the best score as the class, by name, and labels by name or number', () => {
    const log = new PredictionLog();
    const label = { name: 'y', datatype: 'INT64' as const, shape: [1] };
    log.keep('scores', classes, [fp32('y', [1, 2], [0.2, 0.8])]);
    log.keep('number', classes, [{ ...label, data: new Uint8Array(BigInt64Array.of(0n).buffer) }]);
    expect(log.label('m', 'scores', 'cat').rows).toEqual([
      { predicted: 'dog', actual: 'cat', confidence: 800 },
    ]);
    expect(log.label('m', 'number', 1).rows).toEqual([{ predicted: 'cat', actual: 'dog' }]);
  });

  it('holds one score to a threshold, and takes truth values as labels', () => {
    const log = new PredictionLog();
    const sigmoid = version({ output: 'y', kind: 'classification' }, ['ok', 'faulty']);
    log.keep('a', sigmoid, [fp32('y', [3, 1], [0.2, 0.5, 0.9])]);
    expect(log.label('m', 'a', ['ok', 1, true]).rows).toEqual([
      { predicted: 'ok', actual: 'ok', confidence: 800 },
      { predicted: 'faulty', actual: 'faulty', confidence: 500 },
      { predicted: 'faulty', actual: 'faulty', confidence: 900 },
    ]);
  });

  it('refuses labels that do not fit, and then takes one that does', () => {
    const log = new PredictionLog();
    log.keep('a', regression, [fp32('y', [1, 1], [2])]);
    log.keep('b', classes, [fp32('y', [1, 2], [1, 0])]);
    expect(() => log.label('m', 'a', 'warm')).toThrow(coded('label_invalid'));
    expect(() => log.label('m', 'a', [1, 2])).toThrow(coded('label_invalid'));
    expect(() => log.label('m', 'b', 'bird')).toThrow(coded('label_invalid'));
    expect(() => log.label('m', 'b', 2)).toThrow(coded('label_invalid'));
    expect(log.label('m', 'a', 1).rows).toHaveLength(1);
    expect(() => log.label('m', 'a', 1)).toThrow(coded('label_known'));
  });

  it('keeps nothing for a version without a label rule', () => {
    const log = new PredictionLog();
    log.keep('a', version(), [fp32('y', [1, 1], [2])]);
    expect(() => log.label('m', 'a', 1)).toThrow(coded('prediction_unknown'));
  });

  it('keeps the latest answers only', () => {
    const log = new PredictionLog();
    for (let i = 0; i <= limits.predictionsKeptForFeedback; i += 1) {
      log.keep(`id-${i}`, regression, [fp32('y', [1, 1], [i])]);
    }
    expect(() => log.label('m', 'id-0', 1)).toThrow(coded('prediction_unknown'));
    expect(log.label('m', 'id-1', 1).rows).toEqual([{ predicted: 1, actual: 1 }]);
  });
});
