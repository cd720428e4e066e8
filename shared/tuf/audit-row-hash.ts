/** The hash of a row of the audit log, which whoever has the rows can compute again: the hub, and a reader of an export. */
import canonicalize from 'canonicalize';
import { sha256 } from '../digest/sha256.ts';

/** A row as it is hashed: with the hash of the row before it, and without its own. */
export interface UnhashedAuditRow {
  readonly number: number;
  readonly at: number;
  readonly actor: string;
  readonly address: string | null;
  readonly action: string;
  readonly target: string;
  /** Canonical JSON. */
  readonly details: string;
  readonly previous_hash: string;
}

/** SHA-256 over the canonical JSON (RFC 8785) of the row. */
export function auditRowHash(row: UnhashedAuditRow): string {
  return sha256(canonicalize({ ...row }) as string);
}
