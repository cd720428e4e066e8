/**
 * The audit log (promise P8): rows are only ever added, and the hash of each covers its own content and the hash of the row
 * before it, so that a changed, removed or inserted row breaks the chain from there on. The head of the chain is
 * stored apart as well, so that truncation at the end is detected too. The oldest rows are deleted when retention ends; a signed
 * checkpoint names them (audit-retention.ts). An attacker with the whole database can recompute the chain, but not sign its head (audit-head.ts).
 */
import canonicalize from 'canonicalize';
import type { Transaction } from 'kysely';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { wellFormed } from '../../shared/base/well-formed.ts';
import { auditRowHash } from '../../shared/tuf/audit-row-hash.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';
import { type AuditRow, auditHeadKey, chainStart, headText } from './audit-chain.ts';
import type { AuditEvent } from './audit-event.ts';

export interface AuditRecord extends AuditEvent {
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hash: string;
}

export interface AuditFilter {
  readonly actor?: string;
  /** Action, or the part of it before a dot: `rollout` finds `rollout.paused`. */
  readonly action?: string;
  readonly target?: string;
  /** Only rows with smaller numbers. */
  readonly before?: number;
  /** Only rows of this time and later, and of before that one; milliseconds since the epoch. */
  readonly since?: number;
  readonly until?: number;
  /** Newest first when absent. */
  readonly position?: Position;
  readonly limit?: number;
}

export interface AuditLogProps {
  readonly database: Database;
  readonly clock: Clock;
  /** Called with each row, in the transaction that adds it. */
  readonly onAppend?: (event: AuditEvent, tx: Transaction<Tables>) => Promise<void>;
}

export class AuditLog {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #onAppend: AuditLogProps['onAppend'];

  constructor({ database, clock, onAppend }: AuditLogProps) {
    this.#database = database;
    this.#clock = clock;
    this.#onAppend = onAppend;
  }

  /** Adds a row; inside `tx` it commits or rolls back with the action it records. `details` must hold no secret. */
  async append(event: AuditEvent, tx?: Transaction<Tables>): Promise<void> {
    if (!tx) {
      await this.#database.transaction().execute((own) => this.append(event, own));
      return;
    }
    // Transactions of the one connection run one after another: no other row can be added between these statements.
    const last = await tx
      .selectFrom('audit_event')
      .select(['number', 'hash'])
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst();
    // No name or text from outside may prevent an action from being recorded, and so from being done.
    const unhashed = wellFormed({
      number: (last?.number ?? 0) + 1,
      at: this.#clock.now(),
      actor: event.actor,
      address: event.address ?? null,
      action: event.action,
      target: event.target,
      details: canonicalize(wellFormed(event.details ?? {})) as string,
      previous_hash: last?.hash ?? chainStart.hash,
    });
    const row: AuditRow = { ...unhashed, hash: auditRowHash(unhashed) };
    await tx.insertInto('audit_event').values(row).execute();
    const head = headText(row);
    await tx
      .insertInto('meta')
      .values({ key: auditHeadKey, value: head })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: head }))
      .execute();
    await this.#onAppend?.(event, tx);
  }

  /** Adds all rows or none, in their order. A transaction blocks all others: add many rows in batches. */
  async appendAll(events: readonly AuditEvent[]): Promise<void> {
    await this.#database.transaction().execute(async (tx) => {
      for (const event of events) await this.append(event, tx);
    });
  }

  /** Newest first. */
  async list(filter: AuditFilter = {}): Promise<AuditRecord[]> {
    let query = this.#database.selectFrom('audit_event').selectAll();
    const { actor, action, target, before, since, until } = filter;
    const position = filter.position ?? { columns: ['number'], isDescending: true };
    if (actor !== undefined) query = query.where('actor', '=', actor);
    if (target !== undefined) query = query.where('target', '=', target);
    if (since !== undefined) query = query.where('at', '>=', since);
    if (until !== undefined) query = query.where('at', '<', until);
    if (before !== undefined) query = query.where('number', '<', before);
    if (action !== undefined) {
      // A range instead of LIKE, so that `%` and `_` of a caller mean themselves: '/' follows '.'.
      query = query.where((where) =>
        where.or([
          where('action', '=', action),
          where.and([where('action', '>=', `${action}.`), where('action', '<', `${action}/`)]),
        ]),
      );
    }
    const rows = await inOrder(query, position)
      .limit(filter.limit ?? limits.pageRowsMax)
      .execute();
    return rows.map(toRecord);
  }
}

function toRecord(row: AuditRow): AuditRecord {
  return {
    number: row.number,
    at: row.at,
    actor: row.actor,
    ...(row.address === null ? {} : { address: row.address }),
    action: row.action as AuditEvent['action'],
    target: row.target,
    details: JSON.parse(row.details) as Record<string, unknown>,
    hash: row.hash,
  };
}
