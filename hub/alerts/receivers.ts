/** All receivers: queues notifications for them, delivers them, tests them, and reports which cannot be reached. */
import type { Transaction } from 'kysely';
import type { Logger } from '../../platform/logger.ts';
import type { AlertNotification, AlertTestResult } from '../../shared/api/alerts.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Tables } from '../db/tables.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { NotificationQueue } from './alert-service.ts';
import type { AlertStore } from './alert-store.ts';
import { Alertmanager, postableAlerts, testAlert } from './alertmanager.ts';
import type { DeliveryFilter, DeliveryStore, ListedDelivery } from './delivery-store.ts';
import type { HttpPoster } from './http-post.ts';
import type { Observation } from './observations.ts';
import type { SendPost } from './post.ts';
import { type Receiver, type WebhookReceiver, wantedBy } from './receiver-file.ts';
import { WebhookSender } from './webhook-sender.ts';

export interface ReceiversProps {
  readonly receivers: readonly Receiver[];
  readonly deliveries: DeliveryStore;
  readonly alerts: Pick<AlertStore, 'live' | 'resolvedSince'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export type DeliveryOutcome = 'delivered' | 'failed' | 'dead';

/** How long Alertmanager is sent an alert that was resolved, as Prometheus does. */
const RESOLVED_MS = 15 * 60_000;
const DEAD_MS = 3_600_000;

export class Receivers implements NotificationQueue {
  readonly #props: ReceiversProps;
  readonly #posters: HttpPoster[] = [];
  readonly #webhooks: ReadonlyMap<
    string,
    { readonly receiver: WebhookReceiver; readonly sender: WebhookSender }
  >;
  readonly #alertmanagers: readonly Alertmanager[];
  /** Since the start, by receiver. */
  readonly counts: ReadonlyMap<string, Record<DeliveryOutcome, number>>;

  constructor(props: ReceiversProps) {
    this.#props = props;
    const counts = new Map(
      props.receivers.map(({ name }): [string, Record<DeliveryOutcome, number>] => [
        name,
        { delivered: 0, failed: 0, dead: 0 },
      ]),
    );
    this.counts = counts;
    this.#webhooks = new Map(
      props.receivers.flatMap((receiver) => {
        if (receiver.kind !== 'webhook') return [];
        const sender = new WebhookSender({
          ...props,
          receiver,
          store: props.deliveries,
          send: this.#poster(receiver),
          count: (outcome) => {
            counts.get(receiver.name)![outcome] += 1;
          },
        });
        return [[receiver.name, { receiver, sender }] as const];
      }),
    );
    this.#alertmanagers = props.receivers.flatMap((receiver) =>
      receiver.kind === 'alertmanager' ? [new Alertmanager(receiver, this.#poster(receiver))] : [],
    );
  }

  async add(
    notifications: readonly AlertNotification[],
    now: number,
    tx: Transaction<Tables>,
  ): Promise<void> {
    for (const notification of notifications) {
      for (const [name, { receiver }] of this.#webhooks) {
        const alerts = wantedBy(receiver, notification.alerts);
        if (alerts.length === 0) continue;
        await this.#props.deliveries.add({ ...notification, alerts: [...alerts] }, name, now, tx);
      }
    }
  }

  wake(): void {
    for (const { sender } of this.#webhooks.values()) sender.wake();
  }

  /** Runs until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { deliveries, clock, logger } = this.#props;
    await deliveries.giveUpOthers([...this.#webhooks.keys()], clock.now()).catch((error: unknown) => {
      logger.error({ err: error }, 'notifications of receivers that left could not be given up');
    });
    const stopped = new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', resolve, { once: true });
    });
    await Promise.all([stopped, ...[...this.#webhooks.values()].map(({ sender }) => sender.run(signal))]);
    await Promise.all(this.#posters.map((poster) => poster.close()));
  }

  /** Sends Alertmanagers what fires and what was resolved lately. */
  async push(): Promise<void> {
    if (this.#alertmanagers.length === 0) return;
    const { alerts, clock, logger } = this.#props;
    const now = clock.now();
    const all = [...(await alerts.resolvedSince(now - RESOLVED_MS)), ...(await alerts.live())];
    await Promise.all(
      this.#alertmanagers.map(async (alertmanager) => {
        const { receiver } = alertmanager;
        const { fault } = await alertmanager.push(postableAlerts(wantedBy(receiver, all), now), now);
        this.counts.get(receiver.name)![fault === undefined ? 'delivered' : 'failed'] += 1;
        if (fault !== undefined) {
          logger.warn({ receiver: receiver.name, fault }, 'an Alertmanager did not accept the alerts');
        }
      }),
    );
  }

  /** Who cannot be reached. */
  async observations(): Promise<readonly Observation[]> {
    const { deliveries, receivers, clock } = this.#props;
    const now = clock.now();
    const backlogs = new Map((await deliveries.backlogs()).map((one) => [one.receiver, one]));
    const dead = new Map((await deliveries.deadSince(now - DEAD_MS)).map((one) => [one.receiver, one.dead]));
    const failing = new Map(this.#alertmanagers.map((one) => [one.receiver.name, one.failingSince]));
    const lateMs = limits.alertDeliveryLateMs;
    return receivers.map(({ name }) => {
      const waiting = backlogs.get(name);
      const faults = [
        ...(waiting && now - waiting.oldestAt >= lateMs
          ? [`${waiting.waiting} notifications wait, the first for ${formatDuration(now - waiting.oldestAt)}`]
          : []),
        ...(dead.has(name) ? [`${dead.get(name)} notifications were given up in the last hour`] : []),
        ...(now - (failing.get(name) ?? now) >= lateMs
          ? [`nothing was accepted for ${formatDuration(now - failing.get(name)!)}`]
          : []),
      ];
      return {
        code: 'receiver_failed',
        subject: name,
        holds: faults.length > 0,
        summary: `receiver ${name}: ${faults.join('; ')}`,
      };
    });
  }

  /** Throws `not_found` for a receiver that there is not. */
  async test(name: string | undefined, actor: Actor): Promise<AlertTestResult> {
    const { receivers, audit, clock } = this.#props;
    const asked = receivers.filter((receiver) => name === undefined || receiver.name === name);
    if (asked.length === 0 && name !== undefined) {
      throw new AppError(
        'not_found',
        `Cannot test receiver "${name}": there is none of this name. The file of --alert-receivers has them.`,
      );
    }
    const now = clock.now();
    const results = await Promise.all(
      asked.map(async (receiver) => {
        const { fault } = await this.#test(receiver, now);
        return { receiver: receiver.name, delivered: fault === undefined, ...(fault ? { fault } : {}) };
      }),
    );
    await audit.append({
      ...auditActor(actor),
      action: 'alert.tested',
      target: name === undefined ? 'receivers' : `receiver/${name}`,
      details: { delivered: results.filter(({ delivered }) => delivered).map(({ receiver }) => receiver) },
    });
    return { receivers: results };
  }

  deliveries(filter: DeliveryFilter): Promise<ListedDelivery[]> {
    return this.#props.deliveries.list(filter);
  }

  backlogs() {
    return this.#props.deliveries.backlogs();
  }

  /** Loaded with the first post: most hubs have no receivers. */
  #poster({ ca }: Receiver): SendPost {
    let poster: Promise<HttpPoster> | undefined;
    const load = async () => {
      const { HttpPoster } = await import('./http-post.ts');
      const loaded = new HttpPoster(ca);
      this.#posters.push(loaded);
      return loaded;
    };
    return async (post) => {
      poster ??= load();
      return (await poster).send(post);
    };
  }

  #test({ name }: Receiver, now: number) {
    const webhook = this.#webhooks.get(name);
    if (webhook) {
      const test: AlertNotification = { v: 1, id: `test-${now}`, kind: 'test', subject: 'hub', alerts: [] };
      return webhook.sender.post({ id: test.id, at: now, body: JSON.stringify(test) });
    }
    return this.#alertmanagers.find(({ receiver }) => receiver.name === name)!.push([testAlert(now)], now);
  }
}
