import { describe, expect, it } from 'vitest';
import { encodeCbor } from '../../../../shared/base/cbor.ts';
import { limits } from '../../../../shared/base/limits.ts';
import {
  decodeTelemetryReport,
  encodeTelemetryReport,
} from '../../../../shared/protocol/telemetry-report.ts';
import { publishedVersion, report } from '../../../support/profiles.ts';

const good = report(publishedVersion());

describe('telemetry report', () => {
  it('travels as CBOR', () => {
    expect(decodeTelemetryReport(encodeTelemetryReport(good))).toEqual(good);
  });

  it.each([
    ['a number so large that it is no integer of the database', { number: 1e300 }],
    ['number 0', { number: 0 }],
    ['a stream of another form', { stream: 'x' }],
    ['a negative count', { features: [{ name: 'f0', counts: [-1, 0, 0], missing: 0 }] }],
    ['a fraction as a count', { crashes: 0.5 }],
    [
      'sums that are not finite',
      {
        features: [
          { name: 'f0', counts: [1, 0, 0], missing: 0, moments: { n: 1, sum: Number.NaN, sumSquares: 1 } },
        ],
      },
    ],
    ['an error code that is text', { requests: { ok: 1, failed: { 'street 5': 1 } } }],
    [
      'too many error codes',
      {
        requests: { ok: 1, failed: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`c${i}`, 1])) },
      },
    ],
    [
      'refused requests that are no counts',
      { requests: { ok: 1, failed: {}, refused: { all: -1, fitBefore: 0 } } },
    ],
    ['latency that is no bins', { latency: 'text' }],
    ['a latency bin below two microseconds', { latency: { first: 1, counts: [1] } }],
    ['latency bins beyond a day', { latency: { first: 1_260, counts: [1, 1] } }],
    ['more latency bins than there can be', { latency: { first: 35, counts: new Array(1_300).fill(0) } }],
    ['a model name with a slash', { model: '../x' }],
  ])('refuses %s', (_, fields) => {
    expect(() => decodeTelemetryReport(encodeCbor({ ...good, ...fields }))).toThrow(
      expect.objectContaining({ code: 'bad_input' }),
    );
  });

  it('carries how many requests were refused for their tensors', () => {
    const requests = { ok: 1, failed: {}, refused: { all: 5, fitBefore: 3 } };
    expect(decodeTelemetryReport(encodeTelemetryReport({ ...good, requests })).requests).toEqual(requests);
  });

  it('refuses another version of the message', () => {
    expect(() => decodeTelemetryReport(encodeCbor({ ...good, v: 2 }))).toThrow(
      expect.objectContaining({ code: 'unsupported_version' }),
    );
  });

  it('refuses a report over the limit on both sides', () => {
    const large = { ...good, features: [] as typeof good.features };
    for (let i = 0; i < 256; i += 1) {
      large.features.push({ name: `f${i}`, counts: new Array<number>(258).fill(2 ** 31), missing: 0 });
    }
    expect(() => encodeTelemetryReport(large)).toThrow(expect.objectContaining({ code: 'too_large' }));
    expect(() => decodeTelemetryReport(new Uint8Array(limits.telemetryReportBytesMax + 1))).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });
});
