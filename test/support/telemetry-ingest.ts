/** A telemetry service with one version, and what sends it the reports of devices. */
import { onTestFinished } from 'vitest';
import type { Database } from '../../hub/db/database.ts';
import type { TelemetryService, TelemetryServiceProps } from '../../hub/telemetry/telemetry-service.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { encodeTelemetryReport, type TelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import { LatencySketch } from '../../shared/sketch/latency-sketch.ts';
import { openTelemetry } from './opened-telemetry.ts';
import { publishedVersion, versionsOf } from './profiles.ts';

export const air = publishedVersion({ label: { output: 'y', kind: 'regression' } });
export const always = { model: 'air', version: '1.0.0', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };

class TestClock implements Clock {
  time = 1_800_000_000_000;
  now = () => this.time;
  monotonic = () => this.time;
  sleep = async () => undefined;
}

interface TelemetryWorld {
  readonly service: TelemetryService;
  readonly database: Database;
  readonly clock: TestClock;
  /** Sends a report of device `dev`, or of another. */
  send(report: TelemetryReport, device?: string): Promise<void>;
}

export async function telemetryWorld(
  props: Partial<TelemetryServiceProps> = {},
  file = ':memory:',
): Promise<TelemetryWorld> {
  const clock = new TestClock();
  const { database, service } = await openTelemetry(file, { versions: versionsOf(air), clock, ...props });
  onTestFinished(() => database.destroy());
  return {
    service,
    database,
    clock,
    send: (sent, device = 'dev') => service.receive(device, encodeTelemetryReport(sent)),
  };
}

export function latencyOf(...ms: number[]) {
  const sketch = new LatencySketch();
  for (const value of ms) sketch.add(value);
  return sketch.bins();
}
