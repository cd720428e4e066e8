/** Rollups are at every commit what the reports add up to, whatever comes in which order, twice, together or after a restart. */
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Database } from '../../../../../hub/db/database.ts';
import { RollupSums } from '../../../../../hub/telemetry/rollups/rollup-sums.ts';
import type { TelemetryService } from '../../../../../hub/telemetry/telemetry-service.ts';
import { encodeTelemetryReport, type LabelFigures } from '../../../../../shared/protocol/telemetry-report.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';
import { openTelemetry } from '../../../../support/opened-telemetry.ts';
import { offeredToAll, publishedVersion, report, versionsOf } from '../../../../support/profiles.ts';
import { tempFolder } from '../../../../support/temp-folder.ts';

const air = publishedVersion({
  label: { output: 'y', kind: 'classification', values: ['cat', 'dog'] },
});
const groups = { a: 'north', b: 'north', c: 'south' } as const;
const arms = { a: undefined, b: 'r-000000000001', c: undefined } as const;
type Device = keyof typeof groups;

/** One window of a device: rows in each of two bins, failed requests, labels of right and of wrong answers. */
const window = fc.record({
  device: fc.constantFrom<Device>('a', 'b', 'c'),
  first: fc.integer({ min: 0, max: 70 }),
  second: fc.integer({ min: 0, max: 70 }),
  failed: fc.integer({ min: 0, max: 3 }),
  right: fc.integer({ min: 0, max: 3 }),
  wrong: fc.integer({ min: 0, max: 3 }),
});
type Window = (typeof window extends fc.Arbitrary<infer T> ? T : never) & { readonly number: number };

/** What happens between two windows. */
const between = fc.constantFrom('together', 'one by one', 'hour passes', 'twice', 'restart');

const hour = 3_600_000;
const always = { model: 'air', version: '1.0.0', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };

/** A block for each row, each with the score 1. */
function blocksOf(rows: number): number[] {
  return [rows, rows, 0];
}

/** Labels of answers of which the model was sure to 95 %. */
function labelsOf(right: number, wrong: number): LabelFigures | undefined {
  const n = right + wrong;
  if (n === 0) return undefined;
  const last = (count: number) => [...new Array<number>(9).fill(0), count];
  const calibration = { n: last(n), confidence: last(950 * n), correct: last(right) };
  return {
    kind: 'classification',
    n,
    answers: n,
    correct: right,
    confusion: [right, wrong, 0, 0],
    calibration,
  };
}

function reportOf({ number, first, second, failed, right, wrong }: Window) {
  const labels = labelsOf(right, wrong);
  const rows = first + second;
  const counts = [0, first, second, ...new Array<number>(9).fill(0)];
  return report(air, {
    number,
    requests: { ok: rows, failed: failed > 0 ? { internal: failed } : {} },
    features: [{ name: 'f0', counts, missing: 0, blocks: blocksOf(rows) }],
    ...(labels && { labels }),
  });
}

async function opened(file: string, clock: ManualClock) {
  return openTelemetry(file, {
    versions: versionsOf(air),
    clock,
    fleet: { groupsOf: async (ids) => new Map(ids.map((id) => [id, groups[id as Device]])) },
    assignments: {
      ...offeredToAll,
      waitingFor: async (devices) => devices.map(({ deviceId }) => arms[deviceId as Device]),
    },
  });
}

/** What the rollup of hours must be, from the windows themselves: one unit for each device and hour. */
function expectedClasses(sent: readonly { readonly window: Window; readonly hour: number }[]) {
  const units = Map.groupBy(sent, ({ window: { device }, hour: at }) => `${device} ${at}`);
  const classes = new Map<number, { units: number; counts: [number, number]; blocks: number }>();
  for (const windows of units.values()) {
    const first = windows.reduce((sum, { window: { first: n } }) => sum + n, 0);
    const second = windows.reduce((sum, { window: { second: n } }) => sum + n, 0);
    if (first + second === 0) continue;
    const exponent = Math.floor(Math.log2(first + second));
    const found = classes.get(exponent) ?? { units: 0, counts: [0, 0], blocks: 0 };
    found.units += 1;
    found.blocks += windows.reduce((sum, { window: one }) => sum + blocksOf(one.first + one.second)[0]!, 0);
    found.counts[0] += first;
    found.counts[1] += second;
    classes.set(exponent, found);
  }
  return [...classes].sort(([a], [b]) => a - b);
}

function shownClasses(sums: RollupSums) {
  const classes = sums.features().get('f0')?.classes.entries() ?? [];
  return classes.map(([exponent, { units, counts, blocks }]) => [
    exponent,
    { units, counts: counts.slice(1, 3), blocks: blocks[0] },
  ]);
}

/** Each row of a cell and span, and of all cells, as it was stored. */
async function storedFigures(database: Database) {
  const rows = await database.selectFrom('telemetry_rollup').selectAll().execute();
  return rows.map(({ body, ...row }) => ({ ...row, figures: RollupSums.decode(body).figures() }));
}

it('is exact for any order, split, duplicate and restart', async () => {
  const folder = await tempFolder();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(window, between), { minLength: 1, maxLength: 25 }), async (steps) => {
      runs += 1;
      const path = join(folder, `${runs}.db`);
      const clock = new ManualClock();
      let world = await opened(path, clock);
      const numbers = new Map<Device, number>();
      const sent: { window: Window; hour: number }[] = [];
      let waiting: Promise<void>[] = [];
      const flush = async () => {
        await Promise.all(waiting);
        waiting = [];
      };
      const send = (service: TelemetryService, one: Window) =>
        waiting.push(service.receive(one.device, encodeTelemetryReport(reportOf(one))));
      try {
        for (const [fields, then] of steps) {
          const number = (numbers.get(fields.device) ?? 0) + 1;
          numbers.set(fields.device, number);
          const one = { ...fields, number };
          sent.push({ window: one, hour: Math.floor(clock.now() / hour) });
          send(world.service, one);
          if (then === 'twice') send(world.service, one);
          if (then !== 'together') await flush();
          if (then === 'hour passes') clock.advance(hour);
          if (then === 'restart') {
            await world.database.destroy();
            world = await opened(path, clock);
            send(world.service, one);
          }
        }
        await flush();
        const sums = await world.service.hours(always);
        expect(shownClasses(sums)).toEqual(expectedClasses(sent));
        const total = (of: (one: Window) => number, among = sent) =>
          among.reduce((sum, { window: one }) => sum + of(one), 0);
        expect(sums.figures()).toMatchObject({
          reports: sent.length,
          requests: { ok: total(({ first, second }) => first + second) },
        });
        const north = sent.filter(({ window: { device } }) => groups[device] === 'north');
        const ofNorth = await world.service.figures({ ...always, group: 'north' });
        expect(ofNorth.requests.failed.internal ?? 0).toBe(total(({ failed }) => failed, north));
        const labelled = (among: typeof sent) =>
          labelsOf(
            total(({ right }) => right, among),
            total(({ wrong }) => wrong, among),
          );
        expect(sums.figures().labels).toEqual(labelled(sent));
        expect(ofNorth.labels).toEqual(labelled(north));
        const rows = await storedFigures(world.database);
        for (const spanMs of [60_000, hour, 24 * hour]) {
          const ofSpan = rows.filter((row) => row.span_ms === spanMs);
          const count = (isAll: boolean, arm?: string) =>
            ofSpan
              .filter((row) => (row.arm === '*') === isAll && (arm === undefined || row.arm === arm))
              .reduce((sum, { figures }) => sum + figures.reports, 0);
          expect([count(true), count(false)]).toEqual([sent.length, sent.length]);
          expect(count(false, 'control')).toBe(
            sent.filter(({ window: { device } }) => device === 'b').length,
          );
        }
      } finally {
        await world.database.destroy();
      }
    }),
    { numRuns: 40 },
  );
}, 60_000);
