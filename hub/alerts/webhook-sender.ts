/**
 * Delivers the notifications of one webhook: in order, one at a time, each until it is accepted. What the receiver cannot read is
 * given up at once; when it does not answer or refuses the hub itself, the notification is tried again for a day.
 */
import type { Logger } from '../../platform/logger.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { retrySchedule } from '../../shared/base/retry-schedule.ts';
import { WakeableSleep } from '../../shared/base/wakeable-sleep.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import type { PostOutcome, SendPost } from './post.ts';
import type { WebhookReceiver } from './receiver-file.ts';
import { type SignedMessage, signedHeaders } from './webhook-signature.ts';

export interface WebhookSenderProps {
  readonly receiver: WebhookReceiver;
  readonly store: Pick<DeliveryStore, 'first' | 'delivered' | 'failed'>;
  readonly send: SendPost;
  readonly count: (outcome: 'delivered' | 'failed' | 'dead') => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Statuses that are about the message and not about the receiver: the next try would get the same. */
const aboutTheMessage = new Set([400, 413, 415, 422]);

export class WebhookSender {
  readonly #props: WebhookSenderProps;
  readonly #idle: WakeableSleep;
  #hasNews = false;

  constructor(props: WebhookSenderProps) {
    this.#props = props;
    this.#idle = new WakeableSleep(props.clock);
  }

  /** Something waits for the receiver. */
  wake(): void {
    this.#hasNews = true;
    this.#idle.wake();
  }

  /** Runs until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger, receiver } = this.#props;
    const newSchedule = () =>
      retrySchedule({ firstMs: limits.alertRetryMsMin, maxMs: limits.alertRetryMsMax, random });
    let waits = newSchedule();
    while (!signal.aborted) {
      this.#hasNews = false;
      const outcome = await this.#deliverFirst(signal).catch((error: unknown) => {
        logger.error({ receiver: receiver.name, err: error }, 'a notification could not be delivered');
        return 'failed' as const;
      });
      if (outcome === 'delivered') waits = newSchedule();
      else if (outcome === 'failed') await clock.sleep(waits.next().value, signal).catch(() => undefined);
      else if (!this.#hasNews) await this.#idle.sleep(Number.POSITIVE_INFINITY, signal);
    }
  }

  /** One try of a message, outside of the queue. */
  post(message: SignedMessage, signal?: AbortSignal): Promise<PostOutcome> {
    const { receiver, send } = this.#props;
    const headers = signedHeaders(receiver.secret, message);
    return send({ url: receiver.url, headers, body: message.body, ...(signal ? { signal } : {}) });
  }

  /** `delivered` also when it was given up: the next one has its turn. */
  async #deliverFirst(signal: AbortSignal): Promise<'none' | 'delivered' | 'failed'> {
    const { store, receiver, count, clock, logger } = this.#props;
    const delivery = await store.first(receiver.name);
    if (!delivery) return 'none';
    const { id, body, number } = delivery;
    const { status, fault } = await this.post({ id, at: clock.now(), body }, signal);
    if (fault === undefined) {
      await store.delivered(number);
      count('delivered');
      return 'delivered';
    }
    // The hub stops; the receiver may have it, and gets it again with the same id.
    if (signal.aborted) return 'none';
    const isDead = this.#isDead(delivery, status);
    await store.failed(number, { now: clock.now(), fault, isDead });
    count(isDead ? 'dead' : 'failed');
    logger.warn(
      { receiver: receiver.name, notification: id, fault, tries: delivery.tries + 1 },
      isDead ? 'a notification was given up' : 'a receiver did not accept a notification',
    );
    return isDead ? 'delivered' : 'failed';
  }

  #isDead({ createdAt }: Delivery, status: number | undefined): boolean {
    if (status !== undefined && aboutTheMessage.has(status)) return true;
    return this.#props.clock.now() - createdAt >= limits.alertDeliveryMsMax;
  }
}
