import { describe, expect, it } from 'vitest';
import { FigureSums } from '../../../../hub/telemetry/figure-sums.ts';
import { decodeSums } from '../../../../hub/telemetry/sums-encoding.ts';
import { encodeCbor } from '../../../../shared/base/cbor.ts';
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { LatencySketch } from '../../../../shared/sketch/latency-sketch.ts';
import { publishedVersion, report, uniformProfile } from '../../../support/profiles.ts';

const latency = new LatencySketch();
for (let i = 0; i < 60; i += 1) latency.add(1 + i / 7);

const tens = (first: number) => [first, ...new Array<number>(9).fill(0)];

function sumsOf(featureCount: number) {
  const version = publishedVersion({ profile: uniformProfile(featureCount) });
  const sent = report(version, { rows: 60, latency: latency.bins() });
  const features = sent.features.map((feature, i) => ({
    ...feature,
    ...(i % 2 === 0 ? { moments: { n: 60, sum: 1.25 * i, sumSquares: 5.5 } } : {}),
    ...(i % 3 === 0 ? { blocks: [15, -20, 300, 3, -20, 400] } : {}),
  }));
  const full = {
    ...sent,
    features,
    requests: { ok: 50, failed: { timed_out: 3, __proto__x: 1 }, refused: { all: 2, fitBefore: 1 } },
    crashes: 4,
    dropped: 5,
    labels: {
      kind: 'classification' as const,
      n: 7,
      answers: 5,
      correct: 6,
      confusion: [4, 1, 0, 2],
      calibration: { n: tens(7), confidence: tens(430), correct: tens(6) },
    },
  };
  const sums = new FigureSums();
  sums.add({ ...full, reports: 1 });
  return { sums, sent: encodeTelemetryReport({ ...sent, features }) };
}

describe('stored sums of telemetry', () => {
  it('are read as they were written', () => {
    const { sums } = sumsOf(8);
    const again = new FigureSums();
    again.add(decodeSums(sums.encode()));
    const shown = ({ latency: bins, ...figures }: ReturnType<FigureSums['figures']>) => ({
      ...figures,
      latency: bins.bins(),
    });
    expect(shown(again.figures())).toEqual(shown(sums.figures()));
    const empty = new FigureSums();
    empty.add(decodeSums(new FigureSums().encode()));
    expect(shown(empty.figures())).toEqual(shown(new FigureSums().figures()));
  });

  it('are read as they were stored before, by the names of their fields', () => {
    const { sums } = sumsOf(3);
    const { latency: bins, labels, ...counts } = sums.figures();
    const before = encodeCbor({ ...counts, latency: bins.bins(), labels });
    expect(decodeSums(before)).toEqual(decodeSums(sums.encode()));
  });

  it('take less than two thirds of what was sent', () => {
    for (const features of [8, 24, 64]) {
      const { sums, sent } = sumsOf(features);
      expect(sums.encode().byteLength).toBeLessThan((sent.byteLength * 2) / 3);
    }
  });

  it('that are no sums are refused, not mistaken for others', () => {
    for (const bytes of [Uint8Array.of(0xff, 0), Uint8Array.of(0x80), encodeCbor([3, 1, 2])]) {
      expect(() => new FigureSums().add(decodeSums(bytes))).toThrow();
    }
  });
});
