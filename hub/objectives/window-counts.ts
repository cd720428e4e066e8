/**
 * What each objective counts in windows up to now, from rollups: what it costs depends on the windows and never on the fleet. A long
 * window is read again once a sixtieth of it has passed: it cannot have become another by then.
 */
import type { BudgetObjective, Objectives } from '../../shared/api/slos.ts';
import type { FigureQuery, TelemetryFigures } from '../telemetry/telemetry-figures.ts';
import type { EventCounts } from './burn-rate.ts';
import { type SloScope, subjectOf } from './slo-scope.ts';

export interface CountedTelemetry {
  figures(query: FigureQuery): Promise<TelemetryFigures>;
  storedVersions(model: string, time: Pick<FigureQuery, 'fromMs' | 'toMs'>): Promise<readonly string[]>;
}

type Figures = Pick<TelemetryFigures, 'requests' | 'latency' | 'labels'>;

const REREAD_MS_MAX = 600_000;
/** For a caller who asks now; many who ask at once cost no more than one. */
const ASKED_MS = 5_000;

export class WindowCounts {
  readonly #telemetry: CountedTelemetry;
  readonly #read = new Map<string, { readonly at: number; readonly figures: Promise<readonly Figures[]> }>();

  constructor(telemetry: CountedTelemetry) {
    this.#telemetry = telemetry;
  }

  /** Figures of each version in the `windowMs` before `now`; `anew`: what was read a while ago does not do. */
  async of(
    scope: SloScope,
    windowMs: number,
    { now, anew }: { readonly now: number; readonly anew: boolean },
  ): Promise<readonly Figures[]> {
    const key = `${subjectOf(scope)} ${windowMs}`;
    const read = this.#read.get(key);
    const keptMs = anew ? ASKED_MS : Math.min(windowMs / 60, REREAD_MS_MAX);
    if (read && read.at <= now && now - read.at < keptMs) return read.figures;
    const figures = this.#figures(scope, { fromMs: now - windowMs, toMs: now + 1 });
    this.#read.set(key, { at: now, figures });
    try {
      return await figures;
    } catch (error) {
      if (this.#read.get(key)?.figures === figures) this.#read.delete(key);
      throw error;
    }
  }

  /** What is no longer evaluated. */
  forgetAllBut(subjects: ReadonlySet<string>): void {
    for (const key of this.#read.keys()) if (!subjects.has(key.split(' ')[0]!)) this.#read.delete(key);
  }

  async #figures(
    { model, group }: SloScope,
    time: Pick<FigureQuery, 'fromMs' | 'toMs'>,
  ): Promise<readonly Figures[]> {
    const found: Figures[] = [];
    for (const version of await this.#telemetry.storedVersions(model, time)) {
      const { requests, latency, labels } = await this.#telemetry.figures({ model, version, group, ...time });
      found.push({ requests, latency, labels });
    }
    return found;
  }
}

/** What the objective counts of these figures. Pure. */
export function eventsOf(
  objective: BudgetObjective,
  { latency: wanted }: Objectives,
  figures: readonly Figures[],
): EventCounts {
  let all = 0;
  let bad = 0;
  for (const { requests, latency, labels } of figures) {
    if (objective === 'availability') {
      // What did not fit the interface is the client's fault, unless the version before would have taken it.
      const failed = Object.values(requests.failed).reduce((sum, n) => sum + n, requests.refused.fitBefore);
      all += requests.ok + failed;
      bad += failed;
    } else if (objective === 'latency') {
      all += latency.count;
      bad += latency.countAbove(wanted?.limitMs ?? Number.POSITIVE_INFINITY);
    } else if (labels?.kind === 'classification') {
      all += labels.n;
      bad += labels.n - labels.correct;
    }
  }
  return { all, bad };
}
