import { expect, it } from 'vitest';
import { figureColumns, hourText } from '../../../../cli/commands/figure-text.ts';
import { StreamPrinter } from '../../../../cli/printer.ts';
import { sparkline } from '../../../../cli/sparkline.ts';
import type { FigureRow } from '../../../../shared/api/telemetry-figures.ts';

const hourMs = 3_600_000;
const start = Date.parse('2026-11-20T10:00:00Z');

function hour(at: number, ok: number, failed: number): FigureRow {
  return {
    version: '1.0.0',
    fromMs: start + at * hourMs,
    toMs: start + (at + 1) * hourMs,
    windows: 1,
    requests: { ok, failed: failed > 0 ? { internal: failed } : {}, refused: { all: 0, fitBefore: 0 } },
    errorRate: failed / (ok + failed),
    crashes: 0,
    dropped: 0,
  };
}

const hours = [hour(0, 100, 0), hour(1, 50, 0), hour(3, 90, 10)];

function shown(width: number | undefined): readonly string[] {
  const printer = new StreamPrinter({ format: 'table', out: () => undefined, err: () => undefined, width });
  return hourText(hours, printer, figureColumns('hour'));
}

it('draws a bar for each hour on a terminal, and leaves an hour without reports empty', () => {
  expect(shown(80).slice(0, 4)).toEqual([
    '1.0.0, 2026-11-20 10:00Z to 2026-11-20 14:00Z',
    'requests     █▅ █  at most 100',
    'error rate   ▁▁ █  at most 10.00 %',
    '',
  ]);
});

it('draws the verdicts of a device, stable lowest, and nothing for an hour with too few rows', () => {
  const verdicts = ['stable', 'too-few', 'watch', 'drift'] as const;
  const rows = verdicts.map((verdict, at) => ({ ...hour(at, 10, 0), verdict }));
  const printer = new StreamPrinter({
    format: 'table',
    out: () => undefined,
    err: () => undefined,
    width: 80,
  });
  const lines = hourText(rows, printer, figureColumns('hour', true));
  expect(lines).toContain('drift        ▁ ▅█  at most drift');
});

it('draws the newest hours when a terminal is too narrow for all', () => {
  expect(shown(42)[0]).toBe('1.0.0, 2026-11-20 12:00Z to 2026-11-20 14:00Z');
});

it('is the table alone in a pipe', () => {
  const lines = shown(undefined);
  expect(lines).toHaveLength(1 + hours.length);
  expect(lines.join()).not.toMatch(/[▁-█]/);
});

it('shows that a value is more than nothing, and draws nothing above the highest', () => {
  expect(sparkline([0, 1, undefined, 1_000, 2_000, Number.NaN], 1_000)).toBe('▁▂ ██▁');
  expect(sparkline([0, 0], 0)).toBe('▁▁');
});
