import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { sql } from 'kysely';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../../../hub/db/database.ts';
import { DeviceInbox } from '../../../../hub/inbox/device-inbox.ts';
import type { TelemetryService, TelemetryServiceProps } from '../../../../hub/telemetry/telemetry-service.ts';
import { TelemetryStore } from '../../../../hub/telemetry/telemetry-store.ts';
import { deflated } from '../../../../platform/deflated.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { encodeCbor } from '../../../../shared/base/cbor.ts';
import type { Clock } from '../../../../shared/base/clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import {
  encodeTelemetryReport,
  type FeatureCounts,
  type LabelFigures,
  type TelemetryReport,
} from '../../../../shared/protocol/telemetry-report.ts';
import { LatencySketch } from '../../../../shared/sketch/latency-sketch.ts';
import { openTelemetry } from '../../../support/opened-telemetry.ts';
import { publishedVersion, report, versionsOf } from '../../../support/profiles.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const air = publishedVersion({ label: { output: 'y', kind: 'regression' } });
const always = { model: 'air', version: '1.0.0', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };

class TestClock implements Clock {
  time = 1_800_000_000_000;
  now = () => this.time;
  monotonic = () => this.time;
  sleep = async () => undefined;
}

interface World {
  readonly service: TelemetryService;
  readonly database: Database;
  readonly clock: TestClock;
  /** Sends a report of device `dev`, or of another. */
  send(report: TelemetryReport, device?: string): Promise<void>;
}

async function world(props: Partial<TelemetryServiceProps> = {}, file = ':memory:'): Promise<World> {
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

/** Of twenty rows. */
function momentsOf(moments: FeatureCounts['moments']): FeatureCounts {
  return { name: 'f0', counts: [0, 20, ...new Array<number>(10).fill(0)], missing: 0, moments };
}

function latencyOf(...ms: number[]) {
  const sketch = new LatencySketch();
  for (const value of ms) sketch.add(value);
  return sketch.bins();
}

describe('telemetry ingest', () => {
  it('merges windows of several devices into figures', async () => {
    const { service, send } = await world();
    const first = report(air, {
      rows: 3,
      requests: { ok: 3, failed: { internal: 1 }, refused: { all: 4, fitBefore: 2 } },
      latency: latencyOf(10, 10, 10, 200),
      labels: { kind: 'regression', n: 1, absoluteError: 2, squaredError: 4 },
      crashes: 1,
      dropped: 2,
    });
    await Promise.all([send(first), send({ ...first, number: 2 }), send(first, 'other')]);
    const figures = await service.figures(always);
    expect(figures).toMatchObject({
      reports: 3,
      requests: { ok: 9, failed: { internal: 3 }, refused: { all: 12, fitBefore: 6 } },
      crashes: 3,
      dropped: 6,
      labels: { n: 3, absoluteError: 6 },
    });
    const { classes } = (await service.hours(always)).features().get('f0')!;
    // One device brought six rows and the other three.
    expect(classes.entries().map(([exponent, { units, counts }]) => [exponent, units, counts[1]])).toEqual([
      [1, 1, 3],
      [2, 1, 6],
    ]);
    expect(await service.countDevices(always)).toMatchObject({ devices: 2 });
    expect(figures.latency.count).toBe(12);
    expect(figures.latency.quantileMs(0.5)! / 10).toBeCloseTo(1, 1);
    expect((await service.figures({ ...always, group: 'default' })).requests.ok).toBe(9);
    expect((await service.figures({ ...always, group: 'none' })).requests.ok).toBe(0);
    expect(await service.versions(always)).toEqual([{ version: '1.0.0', devices: 2 }]);
  });

  it('refuses a report of more requests that fit before than were refused', async () => {
    const { service, send } = await world();
    await send(report(air, { requests: { ok: 1, failed: {}, refused: { all: 1, fitBefore: 2 } } }));
    expect(service.counts.refused).toEqual({ telemetry_layout: 1 });
  });

  it('merges a report that comes again once, in the same batch or later, in memory or after a restart', async () => {
    const file = join(await tempFolder(), 'hub.db');
    const one = await world({}, file);
    await Promise.all([one.send(report(air)), one.send(report(air))]);
    await one.send(report(air));
    const two = await world({}, file);
    await two.send(report(air));
    await two.send(report(air, { number: 3 }));
    await two.send(report(air, { number: 2 }));
    expect(await two.service.figures(always)).toMatchObject({ reports: 2 });
    expect(one.service.counts).toMatchObject({ merged: 1, duplicate: 2 });
    expect(two.service.counts).toMatchObject({ merged: 1, duplicate: 2 });
  });

  it('treats the same numbers of another stream or device as new', async () => {
    const { service, send } = await world();
    await send(report(air));
    await send(report(air, { stream: '00000000000000bb' }));
    await send(report(air), 'other');
    expect(await service.figures(always)).toMatchObject({ reports: 3 });
  });

  it('counts windows at the time they arrive, whatever the device’s clock says', async () => {
    const { service, send, clock } = await world();
    await send(report(air, { from: 0, to: 1 }));
    clock.time += 600_000;
    await send(report(air, { number: 2, from: 4e12, to: 4e12 }));
    const late = { ...always, fromMs: clock.time, toMs: clock.time + 1 };
    expect(await service.figures(late)).toMatchObject({ reports: 1 });
    expect(await service.figures(always)).toMatchObject({ reports: 2 });
  });

  const two = publishedVersion({ version: '2.0.0' });
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

  it('merges deflated reports, and refuses those that inflate to too much', async () => {
    const { service } = await world();
    await service.receive('dev', deflated(encodeTelemetryReport(report(air))));
    await service.receive('dev', deflateSync(Buffer.alloc(limits.telemetryReportBytesMax + 1)));
    expect(service.counts).toMatchObject({ merged: 1, refused: { too_large: 1 } });
  });

  it('merges what arrived in one batch with garbage', async () => {
    const { service, send } = await world();
    await Promise.all([
      service.receive('bad', Uint8Array.of(0)),
      send(report(air)),
      service.receive('bad', Uint8Array.of(1)),
    ]);
    expect(await service.versions(always)).toEqual([{ version: '1.0.0', devices: 1 }]);
    expect((await service.figures(always)).reports).toBe(1);
  });

  it('counts unknown error codes together, so that a device cannot invent columns', async () => {
    const { service, send } = await world();
    const failed = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`made_up_${i}`, 1]));
    await send(report(air, { requests: { ok: 1, failed } }));
    expect((await service.figures(always)).requests.failed).toEqual({ unknown: 60 });
  });

  it('survives the largest counts a device may send', async () => {
    const { service, send } = await world();
    const most = limits.requestsPerSecondMax * (limits.telemetryWindowMsMax / 1_000);
    const huge = report(air, {
      to: limits.telemetryWindowMsMax,
      requests: { ok: most, failed: {} },
      features: [{ name: 'f0', counts: new Array<number>(12).fill(most), missing: most }],
    });
    for (let number = 1; number <= 3; number += 1) await send({ ...huge, number });
    await send(report(air), 'other');
    expect((await service.figures(always)).requests.ok).toBe(3 * most + 10);
  });

  it('loses nothing when a commit fails: what waited is merged later, in its order', async () => {
    const database = await openDatabase(':memory:');
    onTestFinished(() => database.destroy());
    class FailingStore extends TelemetryStore {
      failures = 2;
      override saveStreams: TelemetryStore['saveStreams'] = async (...args) => {
        this.failures -= 1;
        if (this.failures >= 0) throw Object.assign(new Error('disk is full'), { code: 'SQLITE_FULL' });
        await super.saveStreams(...args);
      };
    }
    const inbox = new DeviceInbox({ database, logger: makeLogger('test', 'silent') });
    const { service, send } = await world({ database, inbox, store: new FailingStore(database) });
    const numbers = [1, 2, 3, 4, 5];
    await Promise.all(numbers.map((number) => send(report(air, { number }))));
    expect((await service.figures(always)).reports).toBe(5);
    expect(service.counts).toMatchObject({ merged: 5, duplicate: 0 });
    expect(inbox.counts.held).toBe(2);
  });

  it('refuses garbage once, however often its batch is tried', async () => {
    const database = await openDatabase(':memory:');
    onTestFinished(() => database.destroy());
    let failures = 2;
    class FailingStore extends TelemetryStore {
      override saveStreams: TelemetryStore['saveStreams'] = async (...args) => {
        failures -= 1;
        if (failures >= 0) throw Object.assign(new Error('disk is full'), { code: 'SQLITE_FULL' });
        await super.saveStreams(...args);
      };
    }
    const inbox = new DeviceInbox({ database, logger: makeLogger('test', 'silent') });
    const { service, send } = await world({ database, inbox, store: new FailingStore(database) });
    await Promise.all([service.receive('bad', Uint8Array.of(0)), send(report(air))]);
    expect(service.counts).toMatchObject({ merged: 1, refused: { bad_input: 1 } });
  });

  it('begins an unreadable hour of a device anew, and loses nothing of the others', async () => {
    const { service, database, send } = await world();
    await send(report(air));
    await sql`update telemetry_device_hour set body = x'ff00'`.execute(database);
    await Promise.all([send(report(air, { number: 2 })), send(report(air), 'other')]);
    expect(await service.figures(always)).toMatchObject({ reports: 3 });
    expect(await service.versions(always)).toEqual([{ version: '1.0.0', devices: 2 }]);
  });

  it('leaves an unreadable rollup out of figures, and begins it anew with the next report', async () => {
    const { service, database, send, clock } = await world();
    await send(report(air));
    await sql`update telemetry_rollup set body = x'ff00'`.execute(database);
    expect((await service.figures(always)).reports).toBe(0);
    clock.time += 60_000;
    await send(report(air), 'other');
    expect((await service.figures({ ...always, fromMs: clock.time })).reports).toBe(1);
  });

  it('keeps a bounded number of streams a device, the last ones', async () => {
    const { database, clock, send } = await world();
    for (let i = 0; i < limits.telemetryStreamsPerDeviceMax + 6; i += 1) {
      clock.time += 1_000;
      await send(report(air, { stream: i.toString(16).padStart(16, '0') }));
    }
    const rows = await database.selectFrom('telemetry_stream').select('stream').orderBy('stream').execute();
    expect(rows).toHaveLength(limits.telemetryStreamsPerDeviceMax);
    expect(rows[0]!.stream).toBe('6'.padStart(16, '0'));
  }, 60_000);

  it('gives the same figures whatever spans they are read from', async () => {
    const { service, clock, send } = await world();
    const start = clock.time;
    for (let number = 1; number <= 13; number += 1) {
      await Promise.all([send(report(air, { number })), send(report(air, { number }), 'b')]);
      clock.time += 600_000;
    }
    // Two hours and ten minutes, from ten minutes to the hour on.
    const of = async (fromMs: number, toMs: number) =>
      (await service.figures({ ...always, fromMs, toMs })).reports;
    expect(await of(0, Number.MAX_SAFE_INTEGER)).toBe(26);
    expect(await of(start, clock.time)).toBe(26);
    expect(await of(start + 600_000, clock.time)).toBe(24);
    expect(await of(start, clock.time - 600_000)).toBe(24);
    expect(await of(clock.time - 1_800_000, clock.time)).toBe(6);
    clock.time += limits.telemetryDetailKeptMs + 3_600_000;
    expect(await of(start, start + 7_800_000)).toBe(26);
    // Nothing less than an hour is known of a day ago: one that begins within an hour has all of it.
    expect(await of(start + 5_400_000, clock.time)).toBeGreaterThanOrEqual(8);
  });
});
