/**
 * The audit log (promise P8): rows are only ever added, and the hash of each covers its own content and the hash of the row
 * before it, so that a changed, removed or inserted row breaks the chain from there on. The head of the chain is
 * kept apart as well: rows cut off at the end show too. What it cannot see is a thief of the whole database who
 * computes the chain anew; against that, keep the head somewhere else.
 */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import canonicalize from 'canonicalize';
import type { Selectable, Transaction } from 'kysely';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import type { AuditEvent } from './audit-event.ts';

type Row = Selectable<Tables['audit_event']>;

/** Hash before the first row. */
const GENESIS = '0'.repeat(64);
const HEAD_KEY = 'audit_head';

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
  readonly limit?: number;
}

export type AuditVerdict =
  | { readonly intact: true; readonly rows: number; readonly head: string }
  | { readonly intact: false; readonly rows: number; readonly brokenAt: number; readonly reason: string };

export interface AuditLogProps {
  readonly database: Database;
  readonly clock: Clock;
}

export class AuditLog {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor({ database, clock }: AuditLogProps) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Adds a row; inside `tx` it stands or falls with the act it tells of. `details` must hold no secret. */
  async append(event: AuditEvent, tx?: Transaction<Tables>): Promise<void> {
    if (!tx) {
      await this.#database.transaction().execute((own) => this.append(event, own));
      return;
    }
    // Transactions of the one connection run one after another: nobody can add a row between these statements.
    const last = await tx
      .selectFrom('audit_event')
      .select(['number', 'hash'])
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst();
    const unhashed = {
      number: (last?.number ?? 0) + 1,
      at: this.#clock.now(),
      actor: event.actor,
      address: event.address ?? null,
      action: event.action,
      target: event.target,
      details: canonicalize(event.details ?? {}) as string,
      previous_hash: last?.hash ?? GENESIS,
    };
    const row: Row = { ...unhashed, hash: hashOf(unhashed) };
    await tx.insertInto('audit_event').values(row).execute();
    const head = `${row.number}:${row.hash}`;
    await tx
      .insertInto('meta')
      .values({ key: HEAD_KEY, value: head })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: head }))
      .execute();
  }

  /** Newest first. */
  async list(filter: AuditFilter = {}): Promise<AuditRecord[]> {
    let query = this.#database.selectFrom('audit_event').selectAll().orderBy('number', 'desc');
    const { actor, action, target, before } = filter;
    if (actor !== undefined) query = query.where('actor', '=', actor);
    if (target !== undefined) query = query.where('target', '=', target);
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
    const rows = await query.limit(filter.limit ?? limits.pageRowsMax).execute();
    return rows.map(toRecord);
  }

  /** Walks the chain from the first row and names the first that does not fit. */
  async verify(): Promise<AuditVerdict> {
    let previous = GENESIS;
    let number = 0;
    for (;;) {
      const { page, head } = await this.#pageAfter(number);
      for (const row of page) {
        const fault = faultOf(row, number + 1, previous);
        if (fault) return { intact: false, rows: number, brokenAt: number + 1, reason: fault };
        previous = row.hash;
        number = row.number;
      }
      if (page.length === limits.pageRowsMax) {
        // SQLite answers at once: without this a long log would hold up everything else.
        await nextTurn();
        continue;
      }
      if (head === (number === 0 ? undefined : `${number}:${previous}`)) break;
      const kept = head === undefined ? 'missing' : `row ${head.split(':')[0]}`;
      const reason = `the log ends after row ${number}, but its kept head is ${kept}`;
      return { intact: false, rows: number, brokenAt: number + 1, reason };
    }
    return { intact: true, rows: number, head: previous };
  }

  /** Rows and head as of one instant: between two reads the log may grow. */
  #pageAfter(number: number): Promise<{ page: Row[]; head: string | undefined }> {
    const reading = this.#database.transaction().setAccessMode('read only');
    return reading.execute(async (tx) => {
      const page = await tx
        .selectFrom('audit_event')
        .selectAll()
        .where('number', '>', number)
        .orderBy('number')
        .limit(limits.pageRowsMax)
        .execute();
      const head = await tx.selectFrom('meta').select('value').where('key', '=', HEAD_KEY).executeTakeFirst();
      return { page, head: head?.value };
    });
  }
}

function faultOf(row: Row, wantedNumber: number, previous: string): string | undefined {
  if (row.number !== wantedNumber) return `row ${wantedNumber} is missing; row ${row.number} follows`;
  if (row.previous_hash !== previous)
    return `row ${row.number} does not follow the row before it: a row was replaced`;
  const { hash, ...unhashed } = row;
  if (hashOf(unhashed) !== hash)
    return `the content of row ${row.number} does not fit its hash: it was changed`;
  return undefined;
}

/** SHA-256 over the canonical JSON (RFC 8785) of the row without its own hash; it contains the hash before it. */
function hashOf(row: Omit<Row, 'hash'>): string {
  return createHash('sha256')
    .update(canonicalize({ ...row }) as string)
    .digest('hex');
}

function toRecord(row: Row): AuditRecord {
  return {
    number: row.number,
    at: row.at,
    actor: row.actor,
    ...(row.address === null ? {} : { address: row.address }),
    action: row.action,
    target: row.target,
    details: JSON.parse(row.details) as Record<string, unknown>,
    hash: row.hash,
  };
}
