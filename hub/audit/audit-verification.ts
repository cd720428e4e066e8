/**
 * Checks the whole audit log: from its first row, or from the signed checkpoint that states which rows were deleted, to the head
 * that is stored apart. Rows may be added, and old ones deleted, meanwhile.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditCheckpoint } from '../../shared/api/audit.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import {
  type AuditRow,
  auditHeadKey,
  type ChainPosition,
  chainStart,
  faultOf,
  headText,
} from './audit-chain.ts';
import type { AuditCheckpoints } from './audit-checkpoint.ts';
import type { AuditHeads } from './audit-head.ts';

/** `rows` is the number of intact rows, from row `from` on. */
export type AuditVerdict = {
  readonly rows: number;
  readonly from: number;
  /** Present when old rows were deleted. */
  readonly checkpoint?: AuditCheckpoint;
} & (
  | { readonly intact: true; readonly head: string }
  | { readonly intact: false; readonly brokenAt: number; readonly reason: string }
);

export interface AuditVerificationProps {
  readonly database: Database;
  readonly checkpoints: Pick<AuditCheckpoints, 'read'>;
  /** The newest signed head outside the database, which must be on the chain. */
  readonly heads?: Pick<AuditHeads, 'kept'>;
}

interface Page {
  readonly rows: readonly AuditRow[];
  readonly head: string | undefined;
  readonly checkpoint: AuditCheckpoint | undefined;
}

export class AuditVerification {
  readonly #props: AuditVerificationProps;

  constructor(props: AuditVerificationProps) {
    this.#props = props;
  }

  /** Walks the chain and names the first row that does not fit; `against`: a head that must be on it too. */
  async verify(against?: ChainPosition): Promise<AuditVerdict> {
    const walk = new Walk(against);
    try {
      // Before the first row is read: the log only grows.
      const kept = await this.#props.heads?.kept();
      if (kept !== undefined) walk.expect(kept);
    } catch (error) {
      if (!isAppError(error)) throw error;
      return walk.broken('the head of the log that is kept beside the database was not signed by this hub');
    }
    for (;;) {
      let page: Page;
      try {
        page = await this.#pageAfter(walk.at.number);
      } catch (error) {
        if (!isAppError(error)) throw error;
        return walk.broken('the checkpoint that states which rows were deleted was not signed by this hub');
      }
      const fault = walk.go(page);
      if (fault !== undefined) return walk.broken(fault);
      if (page.rows.length < limits.pageRowsMax) return walk.end(page.head);
      // SQLite answers at once: without this a long log would block everything else.
      await nextTurn();
    }
  }

  /** Rows, head and checkpoint as of one instant: between two reads rows may be added and deleted. */
  #pageAfter(number: number): Promise<Page> {
    const reading = this.#props.database.transaction().setAccessMode('read only');
    return reading.execute(async (tx) => {
      const rows = await tx
        .selectFrom('audit_event')
        .selectAll()
        .where('number', '>', number)
        .orderBy('number')
        .limit(limits.pageRowsMax)
        .execute();
      const head = await tx
        .selectFrom('meta')
        .select('value')
        .where('key', '=', auditHeadKey)
        .executeTakeFirst();
      return { rows, head: head?.value, checkpoint: await this.#props.checkpoints.read(tx) };
    });
  }
}

class Walk {
  readonly #against: ChainPosition | undefined;
  /** Signed heads, by row. */
  readonly #heads: ChainPosition[] = [];
  at: ChainPosition = chainStart;
  #from = 1;
  #rows = 0;
  #checkpoint: AuditCheckpoint | undefined;

  constructor(against: ChainPosition | undefined) {
    this.#against = against;
    if (against) this.#heads.push(against);
  }

  /** A head that was signed: it must be on the chain. */
  expect(head: ChainPosition): void {
    this.#heads.push(head);
  }

  /** Why the page does not go on where the walk is; undefined when it does. */
  go({ rows, checkpoint }: Page): string | undefined {
    this.#checkpoint = checkpoint;
    if (checkpoint !== undefined && checkpoint.number > this.at.number) {
      // Begins there; or rows were deleted during the walk.
      this.at = checkpoint;
      const fault = this.#headFault(checkpoint);
      if (fault !== undefined) return fault;
      if (this.#rows === 0) this.#from = checkpoint.number + 1;
    }
    for (const row of rows) {
      const fault = faultOf(row, this.at);
      if (fault !== undefined) return fault;
      const rewritten = this.#headFault(row);
      if (rewritten !== undefined) return rewritten;
      this.at = row;
      this.#rows += 1;
    }
    return undefined;
  }

  end(head: string | undefined): AuditVerdict {
    const { number, hash } = this.at;
    const beyond = this.#heads.find((one) => one.number > number);
    if (beyond)
      return this.broken(`the log ends after row ${number}, but a signed head names row ${beyond.number}`);
    if (head === (number === 0 ? undefined : headText(this.at)))
      return { intact: true, ...this.#found(), head: hash };
    const kept = head === undefined ? 'missing' : `row ${head.split(':')[0]}`;
    return this.broken(`the log ends after row ${number}, but its kept head is ${kept}`);
  }

  broken(reason: string): AuditVerdict {
    return { intact: false, ...this.#found(), brokenAt: this.at.number + 1, reason };
  }

  #headFault({ number, hash }: ChainPosition): string | undefined {
    if (this.#heads.every((one) => one.number !== number || one.hash === hash)) return undefined;
    return `row ${number} does not have the hash that was signed as the head of the log: it was rewritten`;
  }

  #found() {
    const checkpoint = this.#checkpoint;
    const isRemoved =
      this.#against !== undefined && checkpoint !== undefined && this.#against.number < checkpoint.number;
    return {
      rows: this.#rows,
      from: this.#from,
      ...(checkpoint ? { checkpoint } : {}),
      ...(isRemoved && { headRemoved: true }),
    };
  }
}
