/** An alert as REST shows it and as receivers are sent it. Pure. */
import type { Alert, AlertNotification, Silence } from '../../shared/api/alerts.ts';
import { alertCatalogue, runbookOf } from './alert-catalogue.ts';
import { isSilenced } from './alert-machine.ts';
import type { StoredAlert } from './alert-store.ts';

export function describeAlert(alert: StoredAlert, silences: readonly Silence[], now: number): Alert {
  const { acknowledgedAt, acknowledgedBy } = alert;
  return {
    ...sentOf(alert),
    state: alert.state,
    ...(acknowledgedAt === null ? {} : { acknowledgedAt }),
    ...(acknowledgedBy === null ? {} : { acknowledgedBy }),
    silenced: isSilenced(alert, silences, now),
    recurrences: alert.recurrences,
  };
}

/** Of alerts of one subject that receivers are to know of. */
export function notificationOf(id: string, alerts: readonly StoredAlert[]): AlertNotification {
  return {
    v: 1,
    id,
    kind: 'alerts',
    subject: alerts[0]!.subject,
    alerts: alerts.map((alert) => ({
      ...sentOf(alert),
      status: alert.state === 'resolved' ? 'resolved' : 'firing',
    })),
  };
}

function sentOf({ id, code, subject, severity, summary, pendingAt, firedAt, resolvedAt }: StoredAlert) {
  return {
    id,
    code,
    subject,
    severity,
    owner: alertCatalogue[code].owner,
    summary,
    runbook: runbookOf(code),
    pendingAt,
    ...(firedAt === null ? {} : { firedAt }),
    ...(resolvedAt === null ? {} : { resolvedAt }),
  };
}
