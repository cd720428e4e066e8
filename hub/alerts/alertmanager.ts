/**
 * Alertmanager (API v2) is sent every alert that fires with each evaluation, as Prometheus does, and one that was resolved for a while
 * longer: it needs no queue. An alert that is not sent again ends there by itself.
 */
import { limits } from '../../shared/base/limits.ts';
import { alertCatalogue, runbookOf } from './alert-catalogue.ts';
import type { StoredAlert } from './alert-store.ts';
import type { PostOutcome, SendPost } from './post.ts';
import type { AlertmanagerReceiver } from './receiver-file.ts';

/** As `POST /api/v2/alerts` takes it. */
export interface PostableAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
}

/** How many evaluations may be lost before an alert ends there. */
const LOST_MAX = 4;

/**
 * Pure. Alerts that receivers were sent, and those resolved lately. Of a rule and subject only the latest: Alertmanager tells alerts
 * apart by their labels, and would take one that was resolved for the end of the one that fires again.
 */
export function postableAlerts(alerts: readonly StoredAlert[], now: number): readonly PostableAlert[] {
  const oldestFirst = alerts
    .filter(({ notified }) => notified !== null)
    .sort((a, b) => a.pendingAt - b.pendingAt);
  const latest = new Map(oldestFirst.map((alert) => [`${alert.code} ${alert.subject}`, alert]));
  return [...latest.values()].map(
    ({ id, code, subject, severity, summary, pendingAt, firedAt, resolvedAt }) => ({
      labels: { alertname: code, subject, severity, owner: alertCatalogue[code].owner, source: 'modelfleet' },
      annotations: { summary, description: alertCatalogue[code].meaning, runbook: runbookOf(code), id },
      startsAt: new Date(firedAt ?? pendingAt).toISOString(),
      endsAt: new Date(resolvedAt ?? now + LOST_MAX * limits.alertsEvaluatedEveryMs).toISOString(),
    }),
  );
}

export function testAlert(now: number): PostableAlert {
  return {
    labels: { alertname: 'test', subject: 'hub', severity: 'ticket', source: 'modelfleet' },
    annotations: { summary: 'A test of modelfleet: nothing is wrong' },
    startsAt: new Date(now).toISOString(),
    endsAt: new Date(now + limits.alertsEvaluatedEveryMs).toISOString(),
  };
}

export class Alertmanager {
  readonly receiver: AlertmanagerReceiver;
  readonly #send: SendPost;
  readonly #url: URL;
  /** Since when nothing was accepted, milliseconds since the epoch. */
  failingSince: number | undefined;
  fault: string | undefined;

  constructor(receiver: AlertmanagerReceiver, send: SendPost) {
    this.receiver = receiver;
    this.#send = send;
    const base = receiver.url.href.replace(/\/+$/, '');
    this.#url = new URL(`${base}/api/v2/alerts`);
  }

  async push(alerts: readonly PostableAlert[], now: number): Promise<PostOutcome> {
    const { token } = this.receiver;
    const outcome = await this.#send({
      url: this.#url,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: JSON.stringify(alerts),
    });
    this.fault = outcome.fault;
    if (outcome.fault === undefined) this.failingSince = undefined;
    else this.failingSince ??= now;
    return outcome;
  }
}
