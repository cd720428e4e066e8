/** Requests, failures and label errors in words. */
import type { LabelError, VersionFigures } from '../../shared/api/telemetry.ts';
import type { Column } from '../context.ts';

type Requests = Pick<VersionFigures, 'requests'>;
type Labelled = Pick<VersionFigures, 'labels' | 'labelledShare'>;

const CONFUSED_SHOWN = 5;

export const labelTitles: readonly Column<Labelled>[] = [
  { title: 'against labels', value: (v) => (v.labels ? labelText(v.labels) : '–') },
  { title: 'labelled', value: labelledText, align: 'right' },
  { title: 'confused most often', value: confusedText, isWide: true },
];

/** The label error in words: `MAE 0.412, RMSE 0.553, bias -0.1 over 120 labels`. */
export function labelText(labels: LabelError): string {
  return `${errorsOf(labels).join(', ')} over ${labels.n} labels`;
}

function errorsOf(labels: LabelError): readonly string[] {
  if (labels.kind === 'regression') {
    const { mae, rmse, bias } = labels;
    return [
      `MAE ${mae.toPrecision(3)}`,
      `RMSE ${rmse.toPrecision(3)}`,
      ...(bias === undefined ? [] : [`bias ${bias.toPrecision(3)}`]),
    ];
  }
  const { accuracy, calibration } = labels;
  return [
    `accuracy ${(accuracy * 100).toFixed(1)} %`,
    ...(calibration ? [`calibration error ${(calibration.error * 100).toFixed(1)} %`] : []),
  ];
}

/** Share of answered requests that got a label. */
function labelledText({ labelledShare }: Labelled): string {
  return labelledShare === undefined ? '–' : `${(labelledShare * 100).toFixed(1)} %`;
}

/** `dog as cat 7, cat as bird 2`: the actual class first. */
function confusedText({ labels }: Labelled): string {
  if (labels?.kind !== 'classification' || !labels.confusion) return '–';
  const { classes, counts } = labels.confusion;
  const wrong = counts.flatMap((row, actual) =>
    row.flatMap((n, predicted) =>
      n > 0 && actual !== predicted ? [{ n, text: `${classes[actual]} as ${classes[predicted]} ${n}` }] : [],
    ),
  );
  const most = wrong.sort((a, b) => b.n - a.n).slice(0, CONFUSED_SHOWN);
  return most.length === 0 ? '–' : most.map(({ text }) => text).join(', ');
}

export function failedOf({ requests }: Requests): number {
  return Object.values(requests.failed).reduce((sum, n) => sum + n, 0);
}

/** `12 (3 fitted the version before)`. */
export function refusedText({ requests: { refused } }: Requests): string {
  return refused.fitBefore === 0
    ? String(refused.all)
    : `${refused.all} (${refused.fitBefore} fitted the version before)`;
}

export function failureText(version: Requests): string {
  const codes = Object.entries(version.requests.failed).sort((a, b) => b[1] - a[1]);
  return codes.length === 0 ? '0' : codes.map(([code, n]) => `${n} ${code}`).join(', ');
}
