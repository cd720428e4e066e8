/**
 * Reads the UCI Air Quality file (De Vito et al. 2008, CC BY 4.0) as the demo's readings: comma-separated, dates M/D/YYYY,
 * −200 for a missing value, lines of nothing but commas at the end. Its clock is local time; it is taken as UTC.
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import { channels, type Reading } from './reading.ts';

const MISSING = -200;
const REFERENCE = 'CO(GT)';

/** Reads the file. Throws Error naming the file and what is wrong with it. */
export async function readAirQualityFile(path: string): Promise<Reading[]> {
  return parseAirQuality(await readFile(path), path);
}

export function parseAirQuality(bytes: Uint8Array, path: string): Reading[] {
  const [header = [], ...rows] = parse(Buffer.from(bytes), { bom: true, relax_column_count: true });
  const columnOf = (name: string): number => {
    const at = header.indexOf(name);
    if (at < 0) throw new Error(`Cannot read "${path}": it has no column "${name}".`);
    return at;
  };
  const [date, time, reference] = [columnOf('Date'), columnOf('Time'), columnOf(REFERENCE)];
  const sensorColumns = channels.map(columnOf);
  return rows
    .filter((row) => (row[date] ?? '') !== '')
    .map((row, i) => {
      const [, month, day, year] = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(row[date]!) ?? [];
      const hour = Number.parseInt(row[time] ?? '', 10);
      const at = Date.UTC(Number(year), Number(month) - 1, Number(day), hour);
      if (Number.isNaN(at)) {
        throw new Error(`Cannot read "${path}": row ${i + 2} has time "${row[date]} ${row[time]}".`);
      }
      return { at, sensors: sensorColumns.map((c) => cell(row[c])), coMgM3: cell(row[reference]) };
    });
}

function cell(text: string | undefined): number {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return value === MISSING ? Number.NaN : value;
}
