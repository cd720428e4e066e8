/**
 * What the hub signs when old rows of the audit log are deleted: where the chain continues. The key is a file outside the database,
 * so an attacker who can only rewrite the database can neither delete rows undetected nor move the point up to which they were
 * deleted. The key is the director's, which devices trust with more; the type of the payload keeps the two kinds of statement apart.
 */
import type { KeyObject } from 'node:crypto';
import type { Transaction } from 'kysely';
import { AuditCheckpoint } from '../../shared/api/audit.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { DsseEnvelope, signDsse, verifyDsse } from '../../shared/tuf/dsse.ts';
import { publicKeyPem } from '../../shared/tuf/ed25519-key.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import type { AuditLog } from './audit-log.ts';

const auditCheckpointType = 'application/vnd.modelfleet.audit-checkpoint+json';
const CHECKPOINT_BYTES_MAX = 4096;
const META_KEY = 'audit_checkpoint';
const parseCheckpoint = jsonParser(AuditCheckpoint, 'audit checkpoint', CHECKPOINT_BYTES_MAX);
const parseEnvelope = jsonParser(DsseEnvelope, 'audit checkpoint', CHECKPOINT_BYTES_MAX);

export interface CheckpointKey {
  readonly keyid: string;
  /** Ed25519. */
  readonly privateKey: KeyObject;
}

export class AuditCheckpoints {
  readonly #key: CheckpointKey;
  readonly #trusted: ReadonlyMap<string, string>;

  constructor(key: CheckpointKey) {
    this.#key = key;
    this.#trusted = new Map([[key.keyid, publicKeyPem(key.privateKey)]]);
  }

  /** Inside the transaction that removes the rows. */
  async write(checkpoint: AuditCheckpoint, tx: Transaction<Tables>): Promise<void> {
    const payload = Buffer.from(JSON.stringify(checkpoint));
    const value = Buffer.from(signDsse(auditCheckpointType, payload, this.#key)).toString('utf8');
    await tx
      .insertInto('meta')
      .values({ key: META_KEY, value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
      .execute();
  }

  /**
   * For an operator who declares the key lost: the content of the checkpoint is trusted as it is, and signed with the new key.
   * The audit log records it. Does nothing when no row has been deleted yet, or what is stored is no checkpoint.
   */
  async signAgain(database: Database, audit: Pick<AuditLog, 'append'>): Promise<void> {
    await database.transaction().execute(async (tx) => {
      const text = await storedText(tx);
      if (text === undefined) return;
      let checkpoint: AuditCheckpoint;
      let keyids: string[];
      try {
        const { payload, signatures } = parseEnvelope(Buffer.from(text));
        checkpoint = parseCheckpoint(Buffer.from(payload, 'base64'));
        keyids = signatures.map(({ keyid }) => keyid);
      } catch {
        // The verification reports it.
        return;
      }
      await this.write(checkpoint, tx);
      const { number, hash } = checkpoint;
      const details = { number, hash, keyids, signedWith: this.#key.keyid };
      await audit.append(
        { actor: 'hub', action: 'audit.checkpoint_signed_again', target: 'audit', details },
        tx,
      );
    });
  }

  /** Undefined when no row has been deleted yet. Throws `signature_invalid` when it is not one that this hub signed. */
  async read(tx: Transaction<Tables>): Promise<AuditCheckpoint | undefined> {
    const text = await storedText(tx);
    if (text === undefined) return undefined;
    return parseCheckpoint(verifyDsse(Buffer.from(text), auditCheckpointType, this.#trusted));
  }
}

async function storedText(tx: Transaction<Tables>): Promise<string | undefined> {
  const row = await tx.selectFrom('meta').select('value').where('key', '=', META_KEY).executeTakeFirst();
  return row?.value;
}
