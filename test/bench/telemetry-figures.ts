/**
 * `telemetry/figures`: what a page of `telemetry show --by …` costs the hub after two weeks of reports of 1 000 and 10 000 devices, each of
 * which failed requests in each hour, the worst case of the search for the devices that fail most. The peer is the smaller fleet.
 */
import { join } from 'node:path';
import type { FigureBreakdown } from '../../hub/telemetry/breakdown/figure-breakdown.ts';
import type { FigureRow } from '../../shared/api/telemetry-figures.ts';
import { limits } from '../../shared/base/limits.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openTelemetry } from '../support/opened-telemetry.ts';
import { versionsOf } from '../support/profiles.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import { version, writeHistory } from './telemetry-verdict.ts';

const RUNS = 9;
const HOUR_MS = 3_600_000;
const HOURS = 14 * 24;
const PAGE = 100;
/** As many as the command line asks for. */
const FAILING = 20;
const { model } = version;

type Page = (breakdown: FigureBreakdown, nowMs: number) => Promise<readonly FigureRow[]>;

const pages: Readonly<Record<string, Page>> = {
  'by device, 20 that fail most, 1 day': (breakdown, toMs) =>
    breakdown.devices.worst(
      { model, fromMs: toMs - limits.deviceFigureSpanMsMax, toMs },
      [version.version],
      FAILING,
    ),
  'by device, 100 by id, 1 day': async (breakdown, toMs) => {
    const span = { model, fromMs: toMs - limits.deviceFigureSpanMsMax, toMs };
    return (await breakdown.devices.page(span, [version.version], { rowsMax: PAGE })).rows;
  },
  'by hour, 14 days': (breakdown, toMs) =>
    breakdown.rows('hour', { model, fromMs: toMs - HOURS * HOUR_MS, toMs, rowsMax: PAGE }),
  'by group, 14 days': (breakdown, toMs) =>
    breakdown.rows('group', { model, fromMs: toMs - HOURS * HOUR_MS, toMs, rowsMax: PAGE }),
};

export async function measureFigures(folder: string): Promise<BenchRow[]> {
  const few = await measure(join(folder, 'figures-1000.db'), 1_000);
  const many = await measure(join(folder, 'figures-10000.db'), 10_000);
  return Object.keys(pages).map((name) =>
    benchRow(`telemetry/figures ${name}`, 'ms', many.get(name)!, { '1 000 devices': few.get(name)! }),
  );
}

async function measure(file: string, devices: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const clock = new ManualClock();
  const { database, service } = await openTelemetry(file, { versions: versionsOf(version), clock });
  await writeHistory(database, { devices, hours: HOURS, clock });
  const measured = new Map<string, number[]>();
  for (const [name, page] of Object.entries(pages)) {
    const times: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const begun = performance.now();
      const rows = await page(service.breakdown, clock.now());
      times.push(performance.now() - begun);
      if (rows.length === 0) throw new Error(`bench: ${name} has read nothing`);
    }
    measured.set(name, times);
  }
  await database.destroy();
  return measured;
}
