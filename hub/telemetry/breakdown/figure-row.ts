/** A row of a breakdown, and its place in the order of the rows. */
import type { FigureRow } from '../../../shared/api/telemetry-figures.ts';
import { show } from '../shown-figures.ts';
import { failedOf, type TelemetryFigures } from '../telemetry-figures.ts';

/** Rows go by version and, within one, by time or by a name. */
export interface Place {
  readonly version: string;
  readonly key: string;
}

type Names = Pick<
  FigureRow,
  'version' | 'fromMs' | 'toMs' | 'device' | 'group' | 'arm' | 'rollout' | 'failingSinceMs' | 'verdict'
>;

export function rowOf(names: Names, figures: TelemetryFigures): FigureRow {
  const failed = failedOf(figures);
  const judged = figures.requests.ok + failed;
  const { devices: _, ...shown } = show({ version: names.version, devices: 0, classes: undefined }, figures);
  return {
    ...shown,
    ...names,
    ...(judged > 0 ? { errorRate: failed / judged } : {}),
  };
}

export function placeOf({ version, fromMs, device, group, arm, rollout = '' }: FigureRow): Place {
  if (fromMs !== undefined) return { version, key: String(fromMs) };
  if (arm !== undefined) return { version, key: `${arm} ${rollout}` };
  return { version, key: device ?? group ?? '' };
}
