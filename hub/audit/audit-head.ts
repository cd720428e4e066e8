/**
 * The head of the audit log, signed: after row `number` its hash was `hash`. The newest one lies in a file beside the database, and operators
 * keep others elsewhere. An attacker who can only rewrite the database cannot sign another, so a recomputed chain does not
 * contain the heads that were signed before. The key is the director's; the type of the payload keeps the kinds of statements apart.
 */
import { closeSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Static, Type } from 'typebox';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { openLogFile } from '../../platform/log-file.ts';
import type { Logger } from '../../platform/logger.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { setAside } from '../../platform/set-aside.ts';
import type { AuditHead } from '../../shared/api/audit.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { sleepUnlessSet } from '../../shared/base/clock-sleep.ts';
import { limits } from '../../shared/base/limits.ts';
import { Digest } from '../../shared/base/names.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { auditHeadType } from '../../shared/tuf/audit-head-type.ts';
import { signDsse, verifyDsse } from '../../shared/tuf/dsse.ts';
import { publicKeyPem } from '../../shared/tuf/ed25519-key.ts';
import type { Database } from '../db/database.ts';
import { type ChainPosition, chainStart } from './audit-chain.ts';
import type { AuditCheckpoints, CheckpointKey } from './audit-checkpoint.ts';
import type { AuditLog } from './audit-log.ts';

const HEAD_BYTES_MAX = 4096;
/** No head is signed until an operator has decided: a damaged file must not start a new series of heads. */
const WAY_OUT =
  'Find out who changed it; then start the hub once with --accept-loss to begin with a new head.';
const HeadPayload = Type.Object({
  v: Type.Literal(1),
  number: Type.Integer({ minimum: 0 }),
  hash: Digest,
  signedAt: Type.Integer({ minimum: 0 }),
});
const parsePayload = jsonParser(HeadPayload, 'audit head', HEAD_BYTES_MAX, 'signature_invalid');

export interface AuditHeadsProps {
  readonly database: Database;
  readonly checkpoints: Pick<AuditCheckpoints, 'read'>;
  readonly key: CheckpointKey;
  /** The data folder. */
  readonly folder: string;
  /** File outside it that heads are appended to, as lines of JSON; empty: none. */
  readonly appendTo: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class AuditHeads {
  readonly #props: AuditHeadsProps;
  readonly #file: string;
  readonly #publicKey: string;
  #keptNumber = 0;
  #appendedNumber = 0;

  constructor(props: AuditHeadsProps) {
    this.#props = props;
    this.#file = join(props.folder, 'audit-head.json');
    this.#publicKey = publicKeyPem(props.key.privateKey);
  }

  /** The head as it is now, signed. Throws `audit_broken`, `signature_invalid`: a chain that was rewritten is not signed again. */
  async sign(): Promise<AuditHead> {
    await this.#requireKept();
    const { database, key, clock } = this.#props;
    const last = await database
      .selectFrom('audit_event')
      .select(['number', 'hash'])
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst();
    const { number, hash } = last ?? chainStart;
    const signedAt = clock.now();
    const payload: Static<typeof HeadPayload> = { v: 1, number, hash, signedAt };
    const envelope = Buffer.from(signDsse(auditHeadType, Buffer.from(JSON.stringify(payload)), key)).toString(
      'utf8',
    );
    return { number, hash, signedAt, publicKey: this.#publicKey, envelope };
  }

  /** The newest head that was kept; undefined when none was. Throws `signature_invalid` when the file is not what this hub signed. */
  async kept(): Promise<ChainPosition | undefined> {
    const { key } = this.#props;
    const bytes = await readRegularFile(this.#file, HEAD_BYTES_MAX).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw this.#unusable(error);
    });
    if (bytes === undefined) return undefined;
    try {
      return parsePayload(verifyDsse(bytes, auditHeadType, new Map([[key.keyid, this.#publicKey]])));
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  /**
   * For an operator who accepts the loss: a kept head that is damaged, or that is not on the chain of the log, is set aside, and the
   * audit log records it. A valid head stays.
   */
  async acceptLoss(audit: Pick<AuditLog, 'append'>): Promise<void> {
    const reason = await this.#faultOfKept();
    if (reason === undefined) return;
    const file = basename(await setAside(this.#file));
    this.#props.logger.warn({ file, reason }, 'the kept head of the audit log was set aside');
    const details = { file, reason };
    await audit.append({ actor: 'hub', action: 'audit.head_set_aside', target: 'audit', details });
  }

  async #faultOfKept(): Promise<string | undefined> {
    try {
      await this.kept();
    } catch (error) {
      return errorText(error);
    }
    try {
      await this.#requireKept();
    } catch (error) {
      // A checkpoint that cannot be read is no fault of the head.
      if (isAppError(error) && error.code === 'audit_broken') return errorText(error);
    }
    return undefined;
  }

  #unusable(cause: unknown): AppError {
    return new AppError(
      'signature_invalid',
      `Cannot use the kept head of the audit log in ${this.#file}: ${errorText(cause)} ${WAY_OUT}`,
      { cause },
    );
  }

  async #requireKept(): Promise<void> {
    const { database, checkpoints } = this.#props;
    const kept = await this.kept();
    if (kept === undefined) return;
    const found = await database
      .selectFrom('audit_event')
      .select('hash')
      .where('number', '=', kept.number)
      .executeTakeFirst();
    if (found?.hash === kept.hash) return;
    const checkpoint = await database.transaction().execute((tx) => checkpoints.read(tx));
    if (!found && checkpoint && checkpoint.number >= kept.number) return;
    throw new AppError(
      'audit_broken',
      `Cannot sign the head of the audit log: row ${kept.number} does not have the hash that was signed before. ${WAY_OUT}`,
    );
  }

  /** Keeps the head when it has moved. */
  async keep(): Promise<void> {
    const { appendTo } = this.#props;
    const head = await this.sign();
    if (head.number === 0) return;
    if (head.number !== this.#keptNumber) {
      await writeFileAtomic(this.#file, head.envelope, 0o600);
      this.#keptNumber = head.number;
    }
    if (appendTo === '' || head.number === this.#appendedNumber) return;
    appendLine(appendTo, `${JSON.stringify(head)}\n`);
    this.#appendedNumber = head.number;
  }

  /** Until `signal` is aborted, and once more then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#props;
    for (let isLast = false; !isLast; ) {
      isLast = signal.aborted;
      await this.keep().catch((error: unknown) =>
        logger.error(
          { reason: errorText(error) },
          'the signed head of the audit log could not be stored; the hub tries again',
        ),
      );
      if (!isLast) await sleepUnlessSet(clock, limits.auditHeadKeptEveryMs, signal).catch(() => undefined);
    }
  }
}

/** A regular file alone: appending to a pipe without a reader would block for ever. */
function appendLine(file: string, line: string): void {
  const fd = openLogFile(file, '--audit-head-file');
  try {
    writeSync(fd, line);
  } finally {
    closeSync(fd);
  }
}
