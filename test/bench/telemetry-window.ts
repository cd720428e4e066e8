/**
 * `telemetry/window`: bytes of a window of 20 features as a device sends it, against the same CBOR before it is deflated.
 * `telemetry/recorder`: what one value of one feature costs the device, a row of 20 at a time as a request brings it, against
 * finding its bin alone.
 */
import { profileFeature } from '../../cli/packing/reference-profile.ts';
import { deflated } from '../../platform/deflated.ts';
import { seededRandom } from '../../shared/base/seeded-random.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import { encodeTelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import { HistogramCounts } from '../../shared/sketch/histogram-counts.ts';
import { LatencySketch } from '../../shared/sketch/latency-sketch.ts';
import { WindowCounts } from '../../shared/telemetry/window-counts.ts';
import { publishedVersion, report } from '../support/profiles.ts';
import { type BenchRow, benchRow } from './bench-row.ts';

const FEATURES = 20;
const ROWS_TIMED = 50_000;
const RUNS = 7;
const random = seededRandom(1);
const sample = Array.from({ length: 5_000 }, normal);
const profile = {
  rows: sample.length,
  features: Array.from({ length: FEATURES }, (_, column) =>
    profileFeature(
      { name: `sensor_${column}`, role: 'input', source: { tensor: 'x', column }, kind: 'numeric' },
      sample,
      20,
    ),
  ),
};
const version = publishedVersion({ profile });

export function measureWindows(): BenchRow[] {
  return [...[60, 600, 6_000].map(measureBytes), measureRecorder()];
}

function measureBytes(rows: number): BenchRow {
  const counts = new WindowCounts(profile);
  const latency = new LatencySketch();
  for (let row = 0; row < rows; row += 1) {
    counts.add([oneRow()], []);
    latency.add(5 + Math.exp(normal()));
  }
  const base = report(version, { rows, latency: latency.bins() });
  const bytes = encodeTelemetryReport({ ...base, features: counts.result() });
  return benchRow(
    `telemetry/window ${FEATURES} features, ${rows} rows`,
    'bytes',
    [deflated(bytes).byteLength],
    { 'not deflated': [bytes.byteLength] },
  );
}

function measureRecorder(): BenchRow {
  const rows = Array.from({ length: ROWS_TIMED }, oneRow);
  const values = Array.from({ length: ROWS_TIMED * FEATURES }, normal);
  const [first] = profile.features;
  if (first?.kind !== 'numeric') throw new Error('bench: the feature is not numeric');
  const { edges } = first;
  const perValue = (work: () => void) => {
    const startedMs = performance.now();
    work();
    return ((performance.now() - startedMs) * 1e6) / values.length;
  };
  const ours: number[] = [];
  const bare: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const counts = new WindowCounts(profile);
    ours.push(
      perValue(() => {
        for (const row of rows) counts.add([row], []);
      }),
    );
    const histogram = new HistogramCounts(edges);
    bare.push(
      perValue(() => {
        for (const value of values) histogram.add(value);
      }),
    );
  }
  return benchRow('telemetry/recorder, a value', 'ns', ours, { 'its bin alone': bare });
}

function oneRow(): Tensor {
  const row = Float32Array.from({ length: FEATURES }, normal);
  return { name: 'x', datatype: 'FP32', shape: [1, FEATURES], data: new Uint8Array(row.buffer) };
}

function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
