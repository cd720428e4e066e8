/** Reports that a device may not send: each is refused with its code and acknowledged, and changes nothing. */
import { describe, expect, it } from 'vitest';
import { encodeCbor } from '../../../../shared/base/cbor.ts';
import { limits } from '../../../../shared/base/limits.ts';
import {
  encodeTelemetryReport,
  type FeatureCounts,
  type LabelFigures,
  type TelemetryReport,
} from '../../../../shared/protocol/telemetry-report.ts';
import { publishedVersion, report, versionsOf } from '../../../support/profiles.ts';
import { air, always, latencyOf, telemetryWorld as world } from '../../../support/telemetry-ingest.ts';

/** Of twenty rows. */
function momentsOf(moments: FeatureCounts['moments']): FeatureCounts {
  return { name: 'f0', counts: [0, 20, ...new Array<number>(10).fill(0)], missing: 0, moments };
}

describe('telemetry ingest', () => {
  const two = publishedVersion({ version: '2.0.0' });

  it('refuses a report of more requests that fit before than were refused', async () => {
    const { service, send } = await world();
    await send(report(air, { requests: { ok: 1, failed: {}, refused: { all: 1, fitBefore: 2 } } }));
    expect(service.counts.refused).toEqual({ telemetry_layout: 1 });
  });

  it.each<[string, string, TelemetryReport | Uint8Array]>([
    ['bytes that are no CBOR', 'bad_input', Uint8Array.of(0xff, 1, 2)],
    ['a report over the size limit', 'too_large', new Uint8Array(limits.telemetryReportBytesMax + 1)],
    ['CBOR that is no report', 'bad_input', encodeCbor({ v: 1 })],
    ['an integer that JSON cannot represent', 'bad_input', encodeCbor({ v: 2n ** 63n })],
    ['an unknown version', 'telemetry_unknown_version', report(two)],
    [
      'another manifest of a known version',
      'telemetry_unknown_version',
      { ...report(air), manifest: two.manifestSha256 },
    ],
    [
      'a feature the profile does not have',
      'telemetry_layout',
      { ...report(air), features: [{ name: 'x', counts: [1, 2], missing: 0 }] },
    ],
    [
      'a feature of another length',
      'telemetry_layout',
      { ...report(air), features: [{ name: 'f0', counts: [1, 2], missing: 0 }] },
    ],
    [
      'a feature twice',
      'telemetry_layout',
      { ...report(air), features: [...report(air).features, ...report(air).features] },
    ],
    [
      'labels of another kind',
      'telemetry_layout',
      { ...report(air), labels: { kind: 'classification', n: 1, correct: 1 } },
    ],
    [
      'more latencies than requests',
      'telemetry_layout',
      { ...report(air, { rows: 1 }), latency: latencyOf(1, 2) },
    ],
    [
      'more requests than its time can hold',
      'telemetry_implausible',
      report(air, { to: 10_000, rows: 10 * limits.requestsPerSecondMax + 1 }),
    ],
    [
      'failures beyond its time',
      'telemetry_implausible',
      report(air, { requests: { ok: 10, failed: { internal: limits.telemetryCountMax } } }),
    ],
    [
      'more rows than its requests can have',
      'telemetry_implausible',
      report(air, {
        requests: { ok: 1, failed: {} },
        features: [
          { name: 'f0', counts: [limits.rowsCountedPerRequestMax, 1, ...new Array(10).fill(0)], missing: 0 },
        ],
      }),
    ],
    [
      'more rows in its moments than in its counts',
      'telemetry_implausible',
      report(air, {
        features: [
          {
            name: 'f0',
            counts: [0, 10, ...new Array(10).fill(0)],
            missing: 0,
            moments: { n: 11, sum: 0, sumSquares: 0 },
          },
        ],
      }),
    ],
    [
      'a sum in its moments that their squares do not allow',
      'telemetry_implausible',
      report(air, { rows: 20, features: [momentsOf({ n: 20, sum: 21, sumSquares: 20 })] }),
    ],
    [
      'squares below 0 in its moments',
      'telemetry_implausible',
      report(air, { rows: 20, features: [momentsOf({ n: 0, sum: 0, sumSquares: -1e300 })] }),
    ],
    ['a window that ends before it begins', 'telemetry_implausible', report(air, { from: 2, to: 1 })],
    [
      'a window of more than a day',
      'telemetry_implausible',
      report(air, { to: limits.telemetryWindowMsMax + 1 }),
    ],
    [
      'labels beyond its time',
      'telemetry_implausible',
      report(air, {
        labels: { kind: 'regression', n: limits.telemetryCountMax, absoluteError: 1, squaredError: 1 },
      }),
    ],
  ])('refuses and acknowledges %s', async (_, code, sent) => {
    const { service } = await world();
    const payload = sent instanceof Uint8Array ? sent : encodeTelemetryReport(sent);
    await service.receive('dev', payload);
    expect(service.counts).toMatchObject({ merged: 0, refused: { [code]: 1 } });
    expect((await service.figures(always)).reports).toBe(0);
  });

  const right = { n: 10, answers: 4, correct: 6 };
  const bins = (...first: number[]) => [...first, ...new Array<number>(10 - first.length).fill(0)];
  it.each<[string, object]>([
    ['more answers than labels', { answers: 11 }],
    ['more labels than the rows of their answers', { n: 257, answers: 1 }],
    ['more right answers than labels', { correct: 11 }],
    ['more right answers by class than there are', { confusion: [7, 0, 0, 0] }],
    ['more wrong answers by class than there are', { confusion: [0, 3, 2, 0] }],
    [
      'more right answers by confidence than there are',
      { calibration: { n: bins(7), confidence: bins(7), correct: bins(7) } },
    ],
    [
      'more wrong answers by confidence than there are',
      { calibration: { n: bins(5), confidence: bins(5), correct: bins(0) } },
    ],
    [
      'more right answers in a bin than labels',
      { calibration: { n: bins(1, 3), confidence: bins(50, 500), correct: bins(2, 2) } },
    ],
    ['a confidence above its bin', { calibration: { n: bins(2), confidence: bins(201), correct: bins(1) } }],
    [
      'a confidence below its bin',
      { calibration: { n: bins(0, 2), confidence: bins(0, 199), correct: bins(0, 1) } },
    ],
  ])('refuses classification figures with %s', async (_, fields) => {
    const label = { output: 'y', kind: 'classification' as const, values: ['cat', 'dog'] };
    const version = publishedVersion({ version: '3.0.0', label });
    const { service, send } = await world({ versions: versionsOf(version) });
    await send(report(version, { labels: { kind: 'classification', ...right, ...fields } as LabelFigures }));
    expect(service.counts).toMatchObject({ merged: 0, refused: { telemetry_implausible: 1 } });
    const confusion = [3, 1, 2, 3];
    const calibration = { n: bins(1, 5), confidence: bins(99, 1_000), correct: bins(1, 2) };
    const labels: LabelFigures = { kind: 'classification', ...right, confusion, calibration };
    await send(report(version, { number: 2, labels }));
    expect(service.counts).toMatchObject({ merged: 1 });
    await send(report(version, { number: 3, labels: { ...labels, confusion: [1] } }));
    expect(service.counts).toMatchObject({ merged: 1, refused: { telemetry_layout: 1 } });
  });

  it.each([
    ['a sum that its squares do not allow', { squaredError: 0.9 }],
    ['squares that their sum does not allow', { squaredError: 1.1 }],
    ['squares of no error', { n: 0, answers: 0, absoluteError: 0, squaredError: 1e300 }],
    ['a bias above its absolute error', { signedError: { n: 1, sum: -1.1 } }],
    ['more signed errors than labels', { signedError: { n: 2, sum: 1 } }],
  ])('refuses regression figures with %s', async (_, fields) => {
    const version = publishedVersion({ version: '3.0.0', label: { output: 'y', kind: 'regression' } });
    const { service, send } = await world({ versions: versionsOf(version) });
    const labels: LabelFigures = { kind: 'regression', n: 1, answers: 1, absoluteError: 1, squaredError: 1 };
    await send(report(version, { labels: { ...labels, ...fields } }));
    expect(service.counts).toMatchObject({ merged: 0, refused: { telemetry_implausible: 1 } });
    await send(report(version, { number: 2, labels }));
    await send(report(version, { number: 3, labels: { ...labels, signedError: { n: 1, sum: -1 } } }));
    expect(service.counts).toMatchObject({ merged: 2 });
    expect((await service.figures({ ...always, version: '3.0.0' })).labels).toEqual({
      kind: 'regression',
      n: 2,
      answers: 2,
      absoluteError: 2,
      squaredError: 2,
      signedError: { n: 1, sum: -1 },
    });
  });

  it.each([
    ['more rows than its counts can fill', [11, 0, 0]],
    ['squares beyond the scores', [2, 2 * 10 ** 2 + 1, 0]],
    ['steps beyond the scores', [2, 2 * 10 ** 2, 2 * 20 ** 2 + 1]],
    ['squares without a block', [9, 900, 0, 0, Number.MAX_SAFE_INTEGER, 0]],
    ['steps without a block', [9, 900, 0, 0, 0, Number.MAX_SAFE_INTEGER]],
  ])('refuses blocks with %s', async (_, blocks) => {
    const { service, send } = await world();
    const counts = [0, 10, ...new Array<number>(10).fill(0)];
    await send(report(air, { features: [{ name: 'f0', counts, missing: 0, blocks }] }));
    expect(service.counts).toMatchObject({ merged: 0, refused: { telemetry_implausible: 1 } });
  });
});
