/**
 * Deletes the oldest rows of the audit log: only from the front, only as far as their chain is intact, and in the transaction
 * that signs the checkpoint from which the chain continues and adds the row that records the deletion: a kill leaves all of it
 * or nothing.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { sql, type Transaction } from 'kysely';
import type { AuditCheckpoint } from '../../shared/api/audit.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import { type AuditRow, type ChainPosition, chainStart, faultOf } from './audit-chain.ts';
import type { AuditCheckpoints } from './audit-checkpoint.ts';
import type { AuditLog } from './audit-log.ts';

const DAY_MS = 86_400_000;
/** Size of a row beside its texts. */
const ROW_BYTES = 200;

export interface AuditRetentionProps {
  readonly database: Database;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly checkpoints: AuditCheckpoints;
  /** How long rows are kept. */
  readonly keptMs: number;
}

type Dated = Pick<AuditRow, 'number' | 'at'>;

export class AuditRetention implements Expirable {
  readonly kind = 'audit-rows';
  readonly rule: string;
  readonly #props: AuditRetentionProps;

  constructor(props: AuditRetentionProps) {
    this.#props = props;
    this.rule = `older than ${formatDuration(props.keptMs)} (--audit-kept)`;
  }

  async find(now: number, limit: number): Promise<Found> {
    let found: Found = { count: 0, bytes: 0, isMore: false };
    const { database } = this.#props;
    for (let after = 0; ; await nextTurn()) {
      const page = await database
        .selectFrom('audit_event')
        .select(['number', 'at', textBytes.as('bytes')])
        .where('number', '>', after)
        .where('number', '<', headNumber)
        .orderBy('number')
        .limit(limits.auditRowsRemovedPerPassMax)
        .execute();
      const due = page.slice(0, await this.#dueOf(page, now, database));
      found = {
        count: found.count + due.length,
        bytes: due.reduce((sum, row) => sum + row.bytes + ROW_BYTES, found.bytes),
        isMore: due.length > 0 && found.count + due.length >= limit,
        oldestAt: found.oldestAt ?? due[0]?.at,
      };
      if (found.isMore || due.length < limits.auditRowsRemovedPerPassMax) return found;
      after = due.at(-1)!.number;
    }
  }

  /**
   * Each deletion adds a row, which is deleted as well one day: rows are deleted when they are many, or a day has passed. Throws
   * `audit_broken` when their chain is not intact: the evidence of that must not be deleted.
   */
  async removeSome(now: number): Promise<Removed> {
    const { database, checkpoints } = this.#props;
    const first = await database
      .selectFrom('audit_event')
      .select(['number', 'at'])
      .orderBy('number')
      .limit(1)
      .executeTakeFirst();
    if (first === undefined || this.#isYoung(first, now)) return nothing;
    return database.transaction().execute(async (tx) => {
      const before = await checkpoints.read(tx);
      const max = limits.auditRowsRemovedPerPassMax;
      const page = await tx
        .selectFrom('audit_event')
        .selectAll()
        .where('number', '<', headNumber)
        .orderBy('number')
        .limit(max)
        .execute();
      const due = page.slice(0, await this.#dueOf(page, now, tx));
      const isRecent = before !== undefined && Math.abs(now - before.signedAt) < DAY_MS;
      if (due.length === 0 || (due.length < max && isRecent)) return nothing;
      await this.#remove(due, before, now, tx);
      return { count: due.length, bytes: bytesOf(due), isMore: due.length === max };
    });
  }

  async #remove(
    due: readonly AuditRow[],
    before: AuditCheckpoint | undefined,
    now: number,
    tx: Transaction<Tables>,
  ): Promise<void> {
    const { audit, checkpoints } = this.#props;
    let at: ChainPosition = before ?? chainStart;
    for (const row of due) {
      const fault = faultOf(row, at);
      if (fault !== undefined)
        throw new AppError(
          'audit_broken',
          `Cannot delete old rows of the audit log: the log is broken at row ${row.number}: ${fault}.`,
        );
      at = row;
    }
    const times = due.map((row) => row.at);
    const checkpoint: AuditCheckpoint = {
      v: 1,
      number: at.number,
      hash: at.hash,
      firstAt: Math.min(before?.firstAt ?? Number.POSITIVE_INFINITY, ...times),
      lastAt: Math.max(before?.lastAt ?? 0, ...times),
      signedAt: now,
    };
    await tx.deleteFrom('audit_event').where('number', '<=', at.number).execute();
    await checkpoints.write(checkpoint, tx);
    await audit.append(
      {
        actor: 'hub',
        action: 'audit.rows_removed',
        target: 'audit',
        details: {
          from: due[0]!.number,
          to: at.number,
          hash: at.hash,
          firstAt: Math.min(...times),
          lastAt: Math.max(...times),
        },
      },
      tx,
    );
  }

  /**
   * How many rows from the front are old enough. The order of rows is their number: a row from a clock that was ahead is as old
   * as an old one that follows it, and a row from a clock that was behind does not make the rows before it old.
   */
  async #dueOf(rows: readonly Dated[], now: number, db: Database | Transaction<Tables>): Promise<number> {
    const young = rows.findIndex((row) => this.#isYoung(row, now));
    const front = young < 0 ? rows : rows.slice(0, young);
    const due = front.findLastIndex(({ at }) => at < now - this.#props.keptMs) + 1;
    if (young >= 0 || due === rows.length || rows.length < limits.auditRowsRemovedPerPassMax) return due;
    // The page ends among rows from a clock that was ahead: the first other one that follows determines their age.
    const next = await db
      .selectFrom('audit_event')
      .select(['number', 'at'])
      .where('number', '>', rows.at(-1)!.number)
      .where('number', '<', headNumber)
      .where('at', '<=', now + DAY_MS)
      .orderBy('number')
      .limit(1)
      .executeTakeFirst();
    return next !== undefined && !this.#isYoung(next, now) ? rows.length : due;
  }

  #isYoung({ at }: Dated, now: number): boolean {
    return at >= now - this.#props.keptMs && at <= now + DAY_MS;
  }
}

const nothing: Removed = { count: 0, bytes: 0, isMore: false };

/** The last row stays, whatever its age: the next one follows it. */
const headNumber = sql<number>`(select max(number) from audit_event)`;

const textBytes = sql<number>`length(actor) + length(action) + length(target) + length(details)`;

function bytesOf(rows: readonly AuditRow[]): number {
  return rows.reduce(
    (sum, { actor, action, target, details }) =>
      sum + ROW_BYTES + actor.length + action.length + target.length + details.length,
    0,
  );
}
