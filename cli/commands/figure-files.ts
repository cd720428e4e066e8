/** Figures as lines of a file: CSV (RFC 4180, times as RFC 3339) or JSON, one row a line. */
import type { FigureRow } from '../../shared/api/telemetry-figures.ts';
import { safeJson, safeLine } from '../../shared/base/safe-text.ts';
import { failedOf } from './telemetry-text.ts';

export const exportFormats = ['csv', 'ndjson'] as const;
export type ExportFormat = (typeof exportFormats)[number];

type Cell = string | number | undefined;

/** The same whatever a row is, so that a reader of one file can read each; what a row does not have is empty. */
const columns: readonly (readonly [title: string, value: (row: FigureRow) => Cell])[] = [
  ['version', (row) => row.version],
  ['from', (row) => timeOf(row.fromMs)],
  ['to', (row) => timeOf(row.toMs)],
  ['device', (row) => row.device],
  ['group', (row) => row.group],
  ['arm', (row) => row.arm],
  ['rollout', (row) => row.rollout],
  ['windows', (row) => row.windows],
  ['ok', (row) => row.requests.ok],
  ['failed', failedOf],
  ['failed_by_code', failedByCode],
  ['error_rate', (row) => row.errorRate],
  ['refused', (row) => row.requests.refused.all],
  ['refused_fit_before', (row) => row.requests.refused.fitBefore],
  ['crashes', (row) => row.crashes],
  ['p50_ms', (row) => row.latencyMs?.p50],
  ['p95_ms', (row) => row.latencyMs?.p95],
  ['p99_ms', (row) => row.latencyMs?.p99],
  ['labels', (row) => row.labels?.n],
  ['accuracy', ({ labels }) => (labels?.kind === 'classification' ? labels.accuracy : undefined)],
  ['mae', ({ labels }) => (labels?.kind === 'regression' ? labels.mae : undefined)],
  ['rmse', ({ labels }) => (labels?.kind === 'regression' ? labels.rmse : undefined)],
  ['windows_lost', (row) => row.dropped],
  ['failing_since', (row) => timeOf(row.failingSinceMs)],
  ['drift', (row) => row.verdict],
];

/** Lines of the file, each with its end. */
export async function* exportLines(
  format: ExportFormat,
  model: string,
  rows: AsyncIterable<FigureRow>,
): AsyncGenerator<string> {
  if (format === 'csv') yield csvLine(['model', ...columns.map(([title]) => title)]);
  for await (const row of rows) {
    yield format === 'csv'
      ? csvLine([model, ...columns.map(([, value]) => value(row))])
      : `${safeJson(JSON.stringify({ model, ...row }))}\n`;
  }
}

function csvLine(cells: readonly Cell[]): string {
  return `${cells.map((cell) => quoted(safeLine(String(cell ?? '')))).join(',')}\r\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** `internal=4 overloaded=1`. */
function failedByCode({ requests }: FigureRow): string {
  return Object.entries(requests.failed)
    .map(([code, n]) => `${code}=${n}`)
    .join(' ');
}

function timeOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
