/**
 * How an alert goes from state to state. Pure: time is given, and so is whether the rule of the alert holds.
 *
 *   pending       the rule holds, not yet for `forMs`; when it no longer does, the alert is gone
 *   firing        it has held for `forMs`
 *   acknowledged  a person has seen it; otherwise as firing
 *   resolved      the rule has not held for `clearMs`
 *
 * What comes and goes faster than `clearMs` leaves the alert firing. What comes and goes more slowly must stay away twice as long
 * with each recurrence, so that an alert that flaps for a day is a handful of notifications and not hundreds.
 */
import type { AlertState } from '../../shared/api/alerts.ts';
import type { AlertRule } from './alert-catalogue.ts';

/** Times are milliseconds since the epoch. */
export interface AlertProgress {
  readonly state: AlertState;
  /** When the rule first held. */
  readonly pendingAt: number;
  readonly firedAt: number | null;
  /** Since when the rule does not hold; null while it does. */
  readonly clearSince: number | null;
  readonly resolvedAt: number | null;
  readonly recurrences: number;
}

type Durations = Pick<AlertRule, 'forMs' | 'clearMs'>;

/** What fires again within this time of being resolved is a recurrence. */
export const recurrenceMs = 6 * 3_600_000;
const DOUBLED_MAX = 5;

/** A new alert of a rule that holds. `previous` is the last one of the same rule and subject that was resolved. */
export function beginAlert(
  durations: Durations,
  previous: Pick<AlertProgress, 'resolvedAt' | 'recurrences'> | undefined,
  now: number,
): AlertProgress {
  const isRecurrence =
    previous !== undefined && previous.resolvedAt !== null && now - previous.resolvedAt < recurrenceMs;
  const pending: AlertProgress = {
    state: 'pending',
    pendingAt: now,
    firedAt: null,
    clearSince: null,
    resolvedAt: null,
    recurrences: isRecurrence ? previous.recurrences + 1 : 0,
  };
  return advanceAlert(durations, pending, { holds: true, now }) ?? pending;
}

/** Undefined: it was pending and its rule no longer holds. One that was resolved stays as it is. */
export function advanceAlert(
  { forMs, clearMs }: Durations,
  alert: AlertProgress,
  { holds, now }: { readonly holds: boolean; readonly now: number },
): AlertProgress | undefined {
  if (alert.state === 'resolved') return alert;
  if (alert.state === 'pending') {
    if (!holds) return undefined;
    // A clock that was set back must not keep it pending for ever.
    const pendingAt = Math.min(alert.pendingAt, now);
    return now - pendingAt >= forMs
      ? { ...alert, pendingAt, state: 'firing', firedAt: now }
      : { ...alert, pendingAt };
  }
  if (holds) return { ...alert, clearSince: null };
  const clearSince = Math.min(alert.clearSince ?? now, now);
  const wantedMs = clearMs * 2 ** Math.min(alert.recurrences, DOUBLED_MAX);
  return now - clearSince >= wantedMs
    ? { ...alert, clearSince, state: 'resolved', resolvedAt: now }
    : { ...alert, clearSince };
}

/** What receivers were last sent of an alert. */
export type Notified = 'firing' | 'resolved' | null;

/**
 * What they are to be sent now. It follows from the state alone, so a silence that ends while the alert still fires lets it
 * through, and an alert that was sent is also sent when it ends, silenced or not: a receiver must not keep it open for ever.
 */
export function dueNotification(
  state: AlertState,
  notified: Notified,
  isSilenced: boolean,
): 'firing' | 'resolved' | undefined {
  if (state === 'firing' && notified === null && !isSilenced) return 'firing';
  if (state === 'resolved' && notified === 'firing') return 'resolved';
  return undefined;
}

/** Silences that a person made; without a code or a subject it is about every one. */
export interface SilenceRule {
  readonly code?: string | undefined;
  readonly subject?: string | undefined;
  readonly endsAt: number;
}

export function isSilenced(
  alert: { readonly code: string; readonly subject: string },
  silences: readonly SilenceRule[],
  now: number,
): boolean {
  return silences.some(
    ({ code, subject, endsAt }) =>
      now < endsAt &&
      (code === undefined || code === alert.code) &&
      (subject === undefined || isAbout(alert.subject, subject)),
  );
}

/** A model is meant in all of its groups. */
export function isAbout(subject: string, wanted: string): boolean {
  return subject === wanted || subject.startsWith(`${wanted}/`);
}
