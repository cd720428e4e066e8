/** Figures of a breakdown as text: a table, and charts of the hours on a terminal. */
import type { DriftVerdict } from '../../shared/api/drift.ts';
import type { LabelError } from '../../shared/api/telemetry.ts';
import type { Breakdown, FigureRow } from '../../shared/api/telemetry-figures.ts';
import type { Column, Printer } from '../context.ts';
import { sparkline } from '../sparkline.ts';
import { timeText } from '../time-text.ts';
import { failedOf, failureText, labelTitles, refusedText } from './telemetry-text.ts';

const nameColumns: Readonly<Record<Breakdown, readonly Column<FigureRow>[]>> = {
  version: [],
  group: [{ title: 'group', value: (row) => row.group ?? '–' }],
  arm: [
    { title: 'arm', value: (row) => row.arm ?? '–' },
    { title: 'rollout', value: (row) => row.rollout ?? '–' },
  ],
  device: [
    { title: 'device', value: (row) => row.device ?? '–' },
    { title: 'group', value: (row) => row.group ?? '–' },
  ],
  hour: [{ title: 'from', value: spanText }],
  minute: [{ title: 'from', value: spanText }],
};

const failingSince: Column<FigureRow> = {
  title: 'failing since',
  value: ({ failingSinceMs }) => (failingSinceMs === undefined ? '–' : timeText(failingSinceMs)),
};
const verdict: Column<FigureRow> = { title: 'drift', value: (row) => row.verdict ?? '–' };

/** `isOfDevice`: the hours of one device, which have a verdict. */
export function figureColumns(by: Breakdown, isOfDevice = false): readonly Column<FigureRow>[] {
  return [
    ...nameColumns[by],
    { title: 'version', value: (row) => row.version },
    { title: 'requests', value: (row) => row.requests.ok + failedOf(row), align: 'right' },
    { title: 'failed', value: failureText },
    { title: 'error rate', value: (row) => share(row.errorRate), align: 'right' },
    ...(by === 'device' ? [failingSince] : []),
    { title: 'refused', value: refusedText, isWide: true },
    { title: 'crashes', value: (row) => row.crashes, align: 'right' },
    { title: 'p50 ms', value: (row) => ms(row.latencyMs?.p50), align: 'right', isWide: true },
    { title: 'p95 ms', value: (row) => ms(row.latencyMs?.p95), align: 'right' },
    { title: 'p99 ms', value: (row) => ms(row.latencyMs?.p99), align: 'right', isWide: true },
    ...labelTitles,
    ...(by === 'device' || isOfDevice ? [verdict] : []),
    { title: 'windows lost', value: (row) => row.dropped, align: 'right', isWide: true },
  ];
}

interface Series {
  readonly title: string;
  readonly value: (row: FigureRow) => number | undefined;
  readonly text: (value: number) => string;
  /** Height of the highest bar; default the highest value. */
  readonly max?: number;
}

const severities: readonly DriftVerdict[] = ['stable', 'watch', 'drift'];

const series: readonly Series[] = [
  { title: 'requests', value: (row) => row.requests.ok + failedOf(row), text: String },
  { title: 'error rate', value: (row) => row.errorRate, text: share },
  { title: 'p95 ms', value: (row) => row.latencyMs?.p95, text: ms },
  { title: 'label error', value: ({ labels }) => labels && errorOf(labels), text: (n) => n.toPrecision(3) },
  {
    title: 'drift',
    value: ({ verdict }) =>
      verdict === undefined || verdict === 'too-few' ? undefined : severities.indexOf(verdict),
    text: (n) => severities[n]!,
    max: severities.length - 1,
  },
];
/** Beside the bars: the title, and the highest value. */
const TEXT_COLUMNS = 40;

/** Charts of the hours of each version as they fit on the terminal, and the table of all of them; in a pipe the table alone. */
export function hourText(
  rows: readonly FigureRow[],
  printer: Printer,
  columns: readonly Column<FigureRow>[],
): readonly string[] {
  const table = printer.table(rows, columns);
  if (printer.width === undefined || rows.length < 2) return table;
  const barsMax = Math.max(1, printer.width - TEXT_COLUMNS);
  const charts = [...Map.groupBy(rows, ({ version }) => version)].flatMap(([version, hours]) => [
    ...chartOf(version, hours, barsMax),
    '',
  ]);
  return [...charts, ...table];
}

function chartOf(version: string, rows: readonly FigureRow[], barsMax: number): string[] {
  const lengthMs = rows[0]!.toMs! - rows[0]!.fromMs!;
  const last = rows.at(-1)!.fromMs!;
  const first = Math.max(rows[0]!.fromMs!, last - (barsMax - 1) * lengthMs);
  const byTime = new Map(rows.map((row) => [row.fromMs!, row]));
  const slots = Array.from({ length: (last - first) / lengthMs + 1 }, (_, i) =>
    byTime.get(first + i * lengthMs),
  );
  return [
    `${version}, ${timeText(first)} to ${timeText(last + lengthMs)}`,
    ...series.flatMap(({ title, value, text, max }) => {
      const values = slots.map((row) => row && value(row));
      const known = values.filter((one) => one !== undefined);
      if (known.length === 0) return [];
      const highest = Math.max(...known);
      return [`${title.padEnd(12)} ${sparkline(values, max ?? highest)}  at most ${text(highest)}`];
    }),
  ];
}

/** The share of wrong answers, or the mean absolute error. */
function errorOf(labels: LabelError): number {
  return labels.kind === 'regression' ? labels.mae : 1 - labels.accuracy;
}

function spanText({ fromMs }: FigureRow): string {
  return fromMs === undefined ? '–' : timeText(fromMs);
}

function ms(value: number | undefined): string {
  return value?.toFixed(2) ?? '–';
}

function share(value: number | undefined): string {
  return value === undefined ? '–' : `${(value * 100).toFixed(2)} %`;
}
