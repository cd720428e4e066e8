/** docs/ALERTS.md against the code: its tables of rules and windows, and what to do about each alert. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { alertCatalogue, runbookOf } from '../../../hub/alerts/alert-catalogue.ts';
import { burnRules } from '../../../hub/objectives/burn-rate.ts';
import { type AlertCode, alertCodes } from '../../../shared/api/alerts.ts';
import { limits } from '../../../shared/base/limits.ts';

const page = await readFile(join(import.meta.dirname, '../../../docs/ALERTS.md'), 'utf8');

/** Cells of the rows of the table whose first title this is. */
function table(title: string): readonly (readonly string[])[] {
  const lines = page.split('\n');
  const from = lines.findIndex((line) => line.startsWith(`| ${title} `));
  const rows = lines.slice(from + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((row) =>
      row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

function durationText(ms: number): string {
  if (ms === 0) return '0';
  if (ms % 86_400_000 === 0) return `${ms / 86_400_000} d`;
  return ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : `${ms / 60_000} min`;
}

it('has every alert rule with its severity, owner and durations, in alphabetical order', () => {
  const rows = table('rule').map(([code, severity, owner, holds, ends]) => [
    code,
    severity,
    owner,
    holds,
    ends,
  ]);
  expect(rows).toEqual(
    [...alertCodes].sort().map((code) => {
      const { severity, owner, forMs, clearMs } = alertCatalogue[code];
      return [code, severity, owner, durationText(forMs), durationText(clearMs)];
    }),
  );
});

it('has the windows and burn rates of the rules, and the events that they need', () => {
  expect(table('speed').map((row) => row.slice(0, 4))).toEqual(
    burnRules.map(({ speed, longMs, shortMs, rate }) => [
      speed,
      durationText(longMs),
      durationText(shortMs),
      String(rate),
    ]),
  );
  expect(page).toContain(
    `must hold ${limits.burnEventsMin} events (\`--min-requests\`) and ${limits.burnBadEventsMin} bad ones`,
  );
});

it.each(alertCodes)('has what to do about %s, where its alert leads to', (code: AlertCode) => {
  expect(runbookOf(code)).toBe(`docs/ALERTS.md#${code}`);
  const [, advice = ''] = page.split(`### ${code}\n`);
  expect(advice.split(/^#/m)[0]!.trim().length).toBeGreaterThan(30);
});
