/** Notifications that wait for their receivers, in order, and those that were given up: the dead-letter list. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { AlertDelivery, AlertNotification } from '../../shared/api/alerts.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';

export interface Delivery {
  readonly number: number;
  readonly receiver: string;
  /** Id of the notification, the same for each receiver and at each try. */
  readonly id: string;
  readonly body: string;
  readonly createdAt: number;
  readonly tries: number;
}

/** How one receiver stands. */
export interface Backlog {
  readonly receiver: string;
  readonly waiting: number;
  readonly oldestAt: number;
}

export interface DeliveryFilter {
  readonly receiver?: string | undefined;
  readonly dead?: boolean | undefined;
  readonly position: Position;
  readonly limit: number;
}

/** A row of the list, with its number for the cursor. */
export type ListedDelivery = AlertDelivery & { readonly number: number };

export class DeliveryStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async add(
    notification: AlertNotification,
    receiver: string,
    now: number,
    tx: Transaction<Tables>,
  ): Promise<void> {
    const { id, subject } = notification;
    const body = JSON.stringify(notification);
    await tx
      .insertInto('alert_delivery')
      .values({ id, receiver, subject, body, created_at: now, tries: 0 })
      .execute();
  }

  /** The one that was added first, of those that wait for the receiver. */
  async first(receiver: string): Promise<Delivery | undefined> {
    const row = await this.#database
      .selectFrom('alert_delivery')
      .select(['number', 'receiver', 'id', 'body', 'created_at as createdAt', 'tries'])
      .where('receiver', '=', receiver)
      .where('dead_at', 'is', null)
      .orderBy('number')
      .limit(1)
      .executeTakeFirst();
    return row;
  }

  async delivered(number: number): Promise<void> {
    await this.#database.deleteFrom('alert_delivery').where('number', '=', number).execute();
  }

  async failed(
    number: number,
    { now, fault, isDead }: { readonly now: number; readonly fault: string; readonly isDead: boolean },
  ): Promise<void> {
    await this.#database
      .updateTable('alert_delivery')
      .set((eb) => ({
        tries: eb('tries', '+', 1),
        tried_at: now,
        fault,
        ...(isDead ? { dead_at: now } : {}),
      }))
      .where('number', '=', number)
      .execute();
  }

  /** Gives up what waits for receivers that there are no more. */
  async giveUpOthers(receivers: readonly string[], now: number): Promise<void> {
    let query = this.#database
      .updateTable('alert_delivery')
      .set({ dead_at: now, fault: 'the receiver is not configured any more' })
      .where('dead_at', 'is', null);
    if (receivers.length > 0) query = query.where('receiver', 'not in', receivers);
    await query.execute();
  }

  async backlogs(): Promise<Backlog[]> {
    const rows = await this.#database
      .selectFrom('alert_delivery')
      .select(({ fn }) => [
        'receiver',
        fn.countAll<number>().as('waiting'),
        fn.min<number>('created_at').as('oldestAt'),
      ])
      .where('dead_at', 'is', null)
      .groupBy('receiver')
      .execute();
    return rows;
  }

  /** Receivers for which something was given up since then, with how much. */
  async deadSince(since: number): Promise<readonly { readonly receiver: string; readonly dead: number }[]> {
    return await this.#database
      .selectFrom('alert_delivery')
      .select(({ fn }) => ['receiver', fn.countAll<number>().as('dead')])
      .where('dead_at', '>=', since)
      .groupBy('receiver')
      .execute();
  }

  async list({ receiver, dead, position, limit }: DeliveryFilter): Promise<ListedDelivery[]> {
    let query = this.#database.selectFrom('alert_delivery').selectAll().limit(limit);
    if (receiver !== undefined) query = query.where('receiver', '=', receiver);
    if (dead !== undefined) query = query.where('dead_at', dead ? 'is not' : 'is', null);
    return (await inOrder(query, position).execute()).map(toListed);
  }

  /**
   * Times that have not come yet become `now`: else a notification would be tried for longer, and one that was given up would count as
   * new. Returns in how many rows.
   */
  async clampFutureTimes(now: number): Promise<number> {
    const times = ['created_at', 'tried_at', 'dead_at'] as const;
    const { numUpdatedRows } = await this.#database
      .updateTable('alert_delivery')
      .set(Object.fromEntries(times.map((time) => [time, sql`min(${sql.ref(time)}, ${now})`])))
      .where((eb) => eb.or(times.map((time) => eb(time, '>', now))))
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }

  async deadBefore(
    before: number,
    rowsMax: number,
  ): Promise<{ readonly count: number; readonly oldestAt: number | undefined }> {
    const rows = await this.#database
      .selectFrom('alert_delivery')
      .select('dead_at')
      .where('dead_at', '<', before)
      .orderBy('dead_at')
      .limit(rowsMax)
      .execute();
    return { count: rows.length, oldestAt: rows[0]?.dead_at ?? undefined };
  }

  async removeDeadBefore(before: number, rowsMax: number): Promise<number> {
    const { numDeletedRows } = await this.#database
      .deleteFrom('alert_delivery')
      .where('number', 'in', (eb) =>
        eb
          .selectFrom('alert_delivery')
          .select('number')
          .where('dead_at', '<', before)
          .orderBy('dead_at')
          .limit(rowsMax),
      )
      .executeTakeFirst();
    return Number(numDeletedRows);
  }
}

function toListed(row: Selectable<Tables['alert_delivery']>): ListedDelivery {
  return {
    number: row.number,
    id: row.id,
    receiver: row.receiver,
    subject: row.subject,
    createdAt: row.created_at,
    tries: row.tries,
    ...(row.dead_at === null ? {} : { deadAt: row.dead_at }),
    ...(row.fault === null ? {} : { fault: row.fault }),
  };
}
