import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { sql } from 'kysely';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import { DeviceInbox } from '../../../../hub/inbox/device-inbox.ts';
import { TelemetryStore } from '../../../../hub/telemetry/telemetry-store.ts';
import { deflated } from '../../../../platform/deflated.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { report } from '../../../support/profiles.ts';
import { air, always, latencyOf, telemetryWorld as world } from '../../../support/telemetry-ingest.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

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
