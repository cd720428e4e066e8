/** Which alert rules hold, by the status of a model's objectives. Pure. */
import type { AlertCode } from '../../shared/api/alerts.ts';
import type { BudgetObjective, ErrorBudget, SloStatus } from '../../shared/api/slos.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import { type BurnRule, burningRules } from '../objectives/burn-rate.ts';
import { subjectOf } from '../objectives/slo-scope.ts';

export interface Observation {
  readonly code: AlertCode;
  readonly subject: string;
  /** Undefined: nothing is known, and an alert stays as it is. */
  readonly holds: boolean | undefined;
  /** One sentence with the figures, for people. */
  readonly summary: string;
}

const codes: Readonly<Record<BudgetObjective, Readonly<Record<BurnRule['speed'], AlertCode>>>> = {
  availability: { fast: 'availability_burns_fast', slow: 'availability_burns_slowly' },
  latency: { fast: 'latency_burns_fast', slow: 'latency_burns_slowly' },
  accuracy: { fast: 'accuracy_burns_fast', slow: 'accuracy_burns_slowly' },
};

export function observationsOf(status: SloStatus): readonly Observation[] {
  return [
    ...status.budgets.flatMap((budget) => [
      burnObservation(status, budget, 'fast'),
      burnObservation(status, budget, 'slow'),
    ]),
    ...freshnessObservation(status),
    ...driftObservation(status),
  ];
}

function burnObservation(
  status: SloStatus,
  { objective, target, windows, left }: ErrorBudget,
  speed: BurnRule['speed'],
): Observation {
  const { objectives } = status;
  const subject = subjectOf(status);
  const windowOf = (windowMs: number) => windows.find((one) => one.windowMs === windowMs)!;
  const minimum = { all: objectives.requestsMin ?? limits.burnEventsMin, bad: limits.burnBadEventsMin };
  const [rule] = burningRules(speed, target, windowOf, minimum);
  const common = { code: codes[objective][speed], subject };
  if (!rule) return { ...common, holds: false, summary: '' };
  const { all, bad, burnRate } = windowOf(rule.longMs);
  return {
    ...common,
    holds: true,
    summary: `${subject}: ${bad} of ${all} ${nouns[objective]} in the last ${formatDuration(rule.longMs)}; the error budget of ${percent(1 - target)} is spent ${burnRate.toFixed(1)} times too fast, ${percent(left)} of it is left`,
  };
}

const nouns: Readonly<Record<BudgetObjective, string>> = {
  availability: 'requests failed',
  latency: 'answers were slower than the limit',
  accuracy: 'labels disagree with the answer',
};

function freshnessObservation({ model, freshness }: SloStatus): readonly Observation[] {
  if (!freshness) return [];
  const { target, withinMs, devices, fresh, known } = freshness;
  return [
    {
      code: 'reports_missing',
      subject: model,
      holds: known ? devices > 0 && fresh / devices < target : undefined,
      summary: `${model}: ${devices - fresh} of ${devices} devices have sent no telemetry for ${formatDuration(withinMs)}; ${percent(target)} of them should`,
    },
  ];
}

function driftObservation({ model, objectives, drift }: SloStatus): readonly Observation[] {
  if (!objectives.drift) return [];
  const drifted = (drift ?? [])
    .filter(({ verdict }) => verdict === 'drift')
    .map(({ version, span }) => `${version} (last ${span})`);
  return [
    {
      code: 'drift_found',
      subject: model,
      holds: drift && drifted.length > 0,
      summary: `${model} ${drifted.join(', ')}: drift was found; "modelfleet drift show --model ${model}" has the features`,
    },
  ];
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
