/** Alerts: moves them on by what was observed, and what people do with them. */
import type { Transaction } from 'kysely';
import type { Alert, AlertNotification, Silence, SilenceRequest } from '../../shared/api/alerts.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Tables } from '../db/tables.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import { alertCatalogue } from './alert-catalogue.ts';
import { advanceAlert, beginAlert, dueNotification, isSilenced } from './alert-machine.ts';
import type { AlertFilter, AlertStore, StoredAlert } from './alert-store.ts';
import { describeAlert, notificationOf } from './alert-view.ts';
import type { Observation } from './observations.ts';

/** Stores notifications for their receivers, in the transaction that changes the alerts. */
export interface NotificationQueue {
  add(notifications: readonly AlertNotification[], now: number, tx: Transaction<Tables>): Promise<void>;
  /** They are committed: whoever delivers them may begin. */
  wake(): void;
}

export interface AlertServiceProps {
  readonly store: AlertStore;
  readonly queue: NotificationQueue;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
}

/** What an evaluation found. */
export interface Findings {
  readonly observations: readonly Observation[];
  /** Whether nothing is known of an alert that no observation is of: it stays as it is. */
  readonly isUnknown: (alert: Pick<StoredAlert, 'code' | 'subject'>) => boolean;
}

export class AlertService {
  readonly #props: AlertServiceProps;

  constructor(props: AlertServiceProps) {
    this.#props = props;
  }

  /**
   * States and notifications change together: a hub that is killed loses nothing and makes no notification twice. One that it was
   * sending comes again with the same id.
   */
  async observe({ observations, isUnknown }: Findings): Promise<void> {
    const { store, queue, clock } = this.#props;
    const found = new Map(observations.map((one) => [keyOf(one), one]));
    const isQuiet = !observations.some(({ holds }) => holds) && (await store.live()).length === 0;
    if (isQuiet) return;
    const isAnyAdded = await store.transaction(async (tx) => {
      const now = clock.now();
      const silences = await store.silencesAt(now, tx);
      const sent: StoredAlert[] = [];
      const live = new Map((await store.live(tx)).map((alert) => [keyOf(alert), alert]));
      for (const key of new Set([...live.keys(), ...found.keys()])) {
        const alert = live.get(key);
        const observation = found.get(key);
        const isKnown = observation ? observation.holds !== undefined : !(alert && isUnknown(alert));
        if (!isKnown) continue;
        const next = alert
          ? this.#advance(alert, observation, now)
          : observation?.holds && (await this.#begin(observation, now, tx));
        if (!next) {
          if (alert) await store.remove(alert.id, tx);
          continue;
        }
        const due = dueNotification(next.state, next.notified, isSilenced(next, silences, now));
        const saved = due ? { ...next, notified: due } : next;
        if (due) sent.push(saved);
        await store.save(saved, tx);
      }
      const bySubject = Map.groupBy(sent, ({ subject }) => subject);
      await queue.add(
        [...bySubject.values()].map((alerts) => notificationOf(this.#newId('n'), alerts)),
        now,
        tx,
      );
      return sent.length > 0;
    });
    if (isAnyAdded) queue.wake();
  }

  async list(filter: AlertFilter): Promise<Alert[]> {
    const { store, clock } = this.#props;
    const now = clock.now();
    const silences = await store.silencesAt(now);
    return (await store.list(filter)).map((alert) => describeAlert(alert, silences, now));
  }

  /** Throws `not_found`. */
  async show(id: string): Promise<Alert> {
    const { store, clock } = this.#props;
    const alert = await store.find(id);
    if (!alert) throw noSuchAlert('show', id);
    const now = clock.now();
    return describeAlert(alert, await store.silencesAt(now), now);
  }

  /** Whoever was first stays the one who did. Throws `not_found`, and `conflict` for an alert that does not fire. */
  async acknowledge(id: string, actor: Actor): Promise<Alert> {
    const { store, audit, clock } = this.#props;
    await store.transaction(async (tx) => {
      const alert = await store.find(id, tx);
      if (!alert) throw noSuchAlert('acknowledge', id);
      if (alert.state === 'acknowledged') return;
      if (alert.state !== 'firing') {
        throw new AppError(
          'conflict',
          `Cannot acknowledge alert "${id}": it is ${alert.state}, and only an alert that is firing can be acknowledged.`,
        );
      }
      const by = auditActor(actor);
      await store.save(
        { ...alert, state: 'acknowledged', acknowledgedAt: clock.now(), acknowledgedBy: by.actor },
        tx,
      );
      const details = { code: alert.code, subject: alert.subject };
      await audit.append({ ...by, action: 'alert.acknowledged', target: `alert/${id}`, details }, tx);
    });
    return this.show(id);
  }

  /** Throws `too_large` when there are too many. */
  async silence({ forMs, ...matcher }: SilenceRequest, actor: Actor): Promise<Silence> {
    const { store, audit, clock } = this.#props;
    const by = auditActor(actor);
    const now = clock.now();
    const silence: Silence = {
      id: this.#newId('s'),
      ...matcher,
      createdAt: now,
      createdBy: by.actor,
      endsAt: now + forMs,
    };
    await store.transaction(async (tx) => {
      if ((await store.silencesAt(now, tx)).length >= limits.alertSilencesMax) {
        throw new AppError(
          'too_large',
          `Cannot silence alerts: there are already ${limits.alertSilencesMax} silences, the maximum. End some first.`,
        );
      }
      await store.addSilence(silence, tx);
      const details = { ...matcher, endsAt: silence.endsAt };
      await audit.append({ ...by, action: 'silence.created', target: `silence/${silence.id}`, details }, tx);
    });
    return silence;
  }

  silences(filter: Pick<AlertFilter, 'active' | 'position' | 'limit'>): Promise<Silence[]> {
    return this.#props.store.silences({ ...filter, now: this.#props.clock.now() });
  }

  /** Throws `not_found`. */
  async showSilence(id: string): Promise<Silence> {
    const silence = await this.#props.store.silence(id);
    if (!silence) throw noSuchSilence('show', id);
    return silence;
  }

  /** Alerts that it held back and that still fire are sent with the next evaluation. Throws `not_found`. */
  async endSilence(id: string, actor: Actor): Promise<void> {
    const { store, audit, clock } = this.#props;
    await store.transaction(async (tx) => {
      const silence = await store.silence(id, tx);
      if (!silence) throw noSuchSilence('end', id);
      const now = clock.now();
      if (silence.endsAt <= now) return;
      await store.endSilence(id, now, tx);
      await audit.append({ ...auditActor(actor), action: 'silence.ended', target: `silence/${id}` }, tx);
    });
  }

  #advance(alert: StoredAlert, observation: Observation | undefined, now: number): StoredAlert | undefined {
    const holds = observation?.holds ?? false;
    const progress = advanceAlert(alertCatalogue[alert.code], alert, { holds, now });
    // What it was when it last held: once it is gone there are no figures of it.
    return progress && { ...alert, ...progress, summary: holds ? observation!.summary : alert.summary };
  }

  async #begin(
    { code, subject, summary }: Observation,
    now: number,
    tx: Transaction<Tables>,
  ): Promise<StoredAlert> {
    const rule = alertCatalogue[code];
    const previous = await this.#props.store.lastResolved({ code, subject }, tx);
    return {
      ...beginAlert(rule, previous, now),
      id: this.#newId('a'),
      code,
      subject,
      severity: rule.severity,
      summary,
      acknowledgedAt: null,
      acknowledgedBy: null,
      notified: null,
    };
  }

  #newId(prefix: 'a' | 's' | 'n'): string {
    const digits = Array.from({ length: 12 }, () => Math.floor(this.#props.random() * 16).toString(16));
    return `${prefix}-${digits.join('')}`;
  }
}

function keyOf({ code, subject }: Pick<StoredAlert, 'code' | 'subject'>): string {
  return `${code} ${subject}`;
}

function noSuchAlert(verb: string, id: string): AppError {
  return new AppError('not_found', `Cannot ${verb} alert "${id}": no alert has this id.`);
}

function noSuchSilence(verb: string, id: string): AppError {
  return new AppError('not_found', `Cannot ${verb} silence "${id}": no silence has this id.`);
}
