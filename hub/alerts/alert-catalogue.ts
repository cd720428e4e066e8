/** Every alert rule, as data: how urgent it is, who is asked, and how long it must hold and not hold. */
import type { AlertCode, AlertSeverity } from '../../shared/api/alerts.ts';

export const alertOwners = ['operations', 'model-team'] as const;

export interface AlertRule {
  readonly severity: AlertSeverity;
  /** Who is asked first. */
  readonly owner: (typeof alertOwners)[number];
  readonly meaning: string;
  /** The rule must hold for so long before the alert fires, … */
  readonly forMs: number;
  /** … and not hold for so long before it is resolved. */
  readonly clearMs: number;
}

const MINUTE_MS = 60_000;

/** Burn rates have their duration in their windows. */
const burnsFast = { severity: 'page', forMs: 0, clearMs: 5 * MINUTE_MS } as const;
const burnsSlowly = { severity: 'ticket', forMs: 15 * MINUTE_MS, clearMs: 60 * MINUTE_MS } as const;

export const alertCatalogue: Readonly<Record<AlertCode, AlertRule>> = {
  availability_burns_fast: {
    ...burnsFast,
    owner: 'operations',
    meaning: 'So many requests fail that the error budget of 30 days is spent within days',
  },
  availability_burns_slowly: {
    ...burnsSlowly,
    owner: 'operations',
    meaning: 'More requests fail, over days, than the error budget allows',
  },
  latency_burns_fast: {
    ...burnsFast,
    owner: 'operations',
    meaning: 'So many answers are slower than the limit that the budget of 30 days is spent within days',
  },
  latency_burns_slowly: {
    ...burnsSlowly,
    owner: 'operations',
    meaning: 'More answers, over days, are slower than the limit than the budget allows',
  },
  accuracy_burns_fast: {
    ...burnsFast,
    owner: 'model-team',
    meaning: 'So many answers disagree with their labels that the budget of 30 days is spent within days',
  },
  accuracy_burns_slowly: {
    ...burnsSlowly,
    owner: 'model-team',
    meaning: 'More answers, over days, disagree with their labels than the budget allows',
  },
  drift_found: {
    severity: 'ticket',
    owner: 'model-team',
    meaning: 'Inputs or outputs of a version no longer resemble its reference profile',
    forMs: 15 * MINUTE_MS,
    clearMs: 60 * MINUTE_MS,
  },
  reports_missing: {
    severity: 'page',
    owner: 'operations',
    meaning: 'Too many devices that run the model have not sent telemetry for too long',
    forMs: 5 * MINUTE_MS,
    clearMs: 5 * MINUTE_MS,
  },
  evaluation_failed: {
    severity: 'page',
    owner: 'operations',
    meaning: 'The objectives of a model could not be evaluated: none of its alerts can fire or be resolved',
    forMs: 5 * MINUTE_MS,
    clearMs: 5 * MINUTE_MS,
  },
  receiver_failed: {
    severity: 'page',
    owner: 'operations',
    meaning: 'Notifications for a receiver wait for long or were given up',
    forMs: 0,
    clearMs: 15 * MINUTE_MS,
  },
};

/** Page and heading of what to do. */
export function runbookOf(code: AlertCode): string {
  return `docs/ALERTS.md#${code}`;
}
