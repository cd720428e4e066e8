/** How rows of the audit log are chained: each carries the hash of the row before it, and its own covers that. */

import type { Selectable } from 'kysely';
import { auditRowHash } from '../../shared/tuf/audit-row-hash.ts';
import type { Tables } from '../db/tables.ts';

export type AuditRow = Selectable<Tables['audit_event']>;

/** A place in the chain: after row `number`, whose hash is `hash`. */
export interface ChainPosition {
  readonly number: number;
  readonly hash: string;
}

/** Before the first row. */
export const chainStart: ChainPosition = { number: 0, hash: '0'.repeat(64) };

/** Key of `meta` under which the last position is stored apart from the rows, so that truncation at the end is detected. */
export const auditHeadKey = 'audit_head';

export function headText({ number, hash }: ChainPosition): string {
  return `${number}:${hash}`;
}

/** Why the row cannot be the one after `before`; undefined when it is. */
export function faultOf(row: AuditRow, before: ChainPosition): string | undefined {
  const wanted = before.number + 1;
  if (row.number !== wanted) return `row ${wanted} is missing; row ${row.number} follows`;
  if (row.previous_hash !== before.hash)
    return `row ${row.number} does not follow the row before it: a row was replaced`;
  const { hash, ...unhashed } = row;
  if (auditRowHash(unhashed) !== hash)
    return `the content of row ${row.number} does not match its hash: it was changed`;
  return undefined;
}
