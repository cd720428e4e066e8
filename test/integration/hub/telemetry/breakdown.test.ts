/** Figures by version, group, arm, device, hour and minute, from reports of three devices over some hours. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FigureRow } from '../../../../shared/api/telemetry-figures.ts';
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { type OpenedTelemetry, openTelemetry } from '../../../support/opened-telemetry.ts';
import { offeredToAll, publishedVersion, report, versionsOf } from '../../../support/profiles.ts';

const old = publishedVersion();
const fresh = publishedVersion({ version: '1.1.0' });
const groups: Readonly<Record<string, string>> = { a: 'north', b: 'north', c: 'south' };
const rollout = 'r-000000000001';
const hourMs = 3_600_000;
const start = Date.parse('2026-11-20T10:00:00Z');
const clock = new ManualClock(start);
let world: OpenedTelemetry;
let number = 0;

async function send(device: string, of: typeof old, ok: number, failed = 0): Promise<void> {
  number += 1;
  const failures: Record<string, number> = failed > 0 ? { internal: failed } : {};
  const requests = { ok, failed: failures };
  const bytes = encodeTelemetryReport(report(of, { number, rows: ok + failed, requests }));
  await world.service.receive(device, bytes);
}

beforeAll(async () => {
  world = await openTelemetry(':memory:', {
    versions: versionsOf(old, fresh),
    clock,
    fleet: { groupsOf: async (ids) => new Map(ids.map((id) => [id, groups[id]!])) },
    assignments: {
      ...offeredToAll,
      waitingFor: async (devices) => devices.map(({ deviceId }) => (deviceId === 'c' ? rollout : undefined)),
    },
  });
  await send('a', old, 100);
  await send('b', old, 90, 10);
  clock.advance(60_000);
  await send('c', old, 200);
  clock.advance(2 * hourMs);
  await send('a', old, 50, 50);
  await send('b', fresh, 7);
  clock.advance(60_000);
});
afterAll(() => world.database.destroy());

const time = () => ({ model: 'air', fromMs: start, toMs: clock.now() });
const breakdown = () => world.service.breakdown;
const counts = ({ requests }: FigureRow) => [requests.ok, requests.failed['internal'] ?? 0];

it('has a row for each version, group and arm that reported', async () => {
  const query = { ...time(), rowsMax: 100 };
  const byVersion = await breakdown().rows('version', query);
  expect(byVersion.map((row) => [row.version, ...counts(row)])).toEqual([
    ['1.0.0', 440, 60],
    ['1.1.0', 7, 0],
  ]);
  expect(byVersion[0]).toMatchObject({ windows: 4, errorRate: 60 / 500 });
  const byGroup = await breakdown().rows('group', { ...query, version: '1.0.0' });
  expect(byGroup.map((row) => [row.group, ...counts(row)])).toEqual([
    ['north', 240, 60],
    ['south', 200, 0],
  ]);
  const byArm = await breakdown().rows('arm', { ...query, version: '1.0.0' });
  expect(byArm.map((row) => [row.arm, row.rollout, ...counts(row)])).toEqual([
    ['control', rollout, 200, 0],
    ['rest', undefined, 240, 60],
  ]);
});

it('has a row for each hour and minute with reports, of all devices or of a group', async () => {
  const query = { ...time(), version: '1.0.0', rowsMax: 100 };
  const hours = await breakdown().rows('hour', query);
  expect(hours.map((row) => [row.fromMs! - start, row.toMs! - row.fromMs!, ...counts(row)])).toEqual([
    [0, hourMs, 390, 10],
    [2 * hourMs, hourMs, 50, 50],
  ]);
  const minutes = await breakdown().rows('minute', { ...query, group: 'north' });
  expect(minutes.map((row) => [row.fromMs! - start, ...counts(row)])).toEqual([
    [0, 190, 10],
    [2 * hourMs + 60_000, 50, 50],
  ]);
});

it('goes on behind the place of the last row', async () => {
  const all = await breakdown().rows('hour', { ...time(), rowsMax: 100 });
  const read: FigureRow[] = [];
  for (;;) {
    const last = read.at(-1);
    const after = last && { version: last.version, key: String(last.fromMs) };
    const [row] = await breakdown().rows('hour', { ...time(), after, rowsMax: 1 });
    if (row === undefined) break;
    read.push(row);
  }
  expect(read).toEqual(all);
  expect(read.map(({ version }) => version)).toEqual(['1.0.0', '1.0.0', '1.1.0']);
});

it('finds the devices that fail most, since when they do, and their verdict', async () => {
  const rows = await breakdown().devices.worst(time(), ['1.0.0', '1.1.0'], 10);
  expect(rows.map((row) => [row.device, ...counts(row)])).toEqual([
    ['a', 150, 50],
    ['b', 90, 10],
  ]);
  expect(rows[0]).toMatchObject({ failingSinceMs: start + 2 * hourMs, group: 'north', verdict: 'drift' });
  const south = await breakdown().devices.worst({ ...time(), group: 'south' }, ['1.0.0'], 10);
  expect(south).toEqual([]);
});

it('lists every device of a version by id, page by page', async () => {
  const first = await breakdown().devices.page(time(), ['1.0.0', '1.1.0'], { rowsMax: 2 });
  expect(first.rows.map(({ device }) => device)).toEqual(['a', 'b']);
  expect(first.next).toEqual({ version: '1.0.0', key: 'b' });
  const second = await breakdown().devices.page(time(), ['1.0.0', '1.1.0'], {
    after: first.next,
    rowsMax: 3,
  });
  expect(second.rows.map(({ version, device }) => [version, device])).toEqual([
    ['1.0.0', 'c'],
    ['1.1.0', 'b'],
  ]);
  expect(second.next).toBeUndefined();
});

it('shows the hours of one device with the verdict of each', async () => {
  const rows = await breakdown().hours({ ...time(), version: '1.0.0', rowsMax: 100 }, 'a');
  expect(rows.map((row) => [row.fromMs! - start, row.verdict, ...counts(row)])).toEqual([
    [0, 'drift', 100, 0],
    [2 * hourMs, 'drift', 50, 50],
  ]);
});

it('reads failing hours and the versions of a model by their indexes', async () => {
  const plan = await sql<{ detail: string }>`explain query plan
    select device_id, device_group, failed from telemetry_device_hour
    where model = 'air' and version = '1.0.0' and hour_at = 0 and failed > 0 order by failed desc limit 10`.execute(
    world.database,
  );
  expect(plan.rows.map(({ detail }) => detail)).toEqual([
    expect.stringMatching(/^SEARCH .* USING COVERING INDEX telemetry_device_hour_failing/),
  ]);
});
