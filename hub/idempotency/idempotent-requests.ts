/**
 * Requests that may be repeated (draft-ietf-httpapi-idempotency-key-header): one with the key of an earlier one gets its answer and
 * does nothing. That a request has taken effect is noted in the transaction of its first row of the audit log, so that a kill leaves
 * both or neither: without the note the request is done as if for the first time. The answer is stored afterwards; a kill
 * between the two leaves a note without an answer, and a repetition is told what the request has done.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transaction } from 'kysely';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import type { Tables } from '../db/tables.ts';
import type { IdempotentRequestRow, IdempotentRequestStore } from './idempotent-request-store.ts';
import { type CallerSecret, openAnswer, type StoredAnswer, sealAnswer } from './sealed-answer.ts';

export interface KeyedRequest extends CallerSecret {
  /** Name of the token. */
  readonly token: string;
  /** Method, path and body, in one form: what a repetition must have as well. */
  readonly content: string;
}

/** A request under way. */
export interface Claim {
  readonly request: KeyedRequest;
  readonly row: Omit<IdempotentRequestRow, 'answer'>;
  /** False once it is answered: what it has set going counts no longer as its effect. */
  isOpen: boolean;
}

export type Begun = { readonly answer: StoredAnswer } | { readonly claim: Claim };

export interface IdempotentRequestsProps {
  readonly store: IdempotentRequestStore;
  readonly clock: Clock;
}

export class IdempotentRequests {
  readonly #store: IdempotentRequestStore;
  readonly #clock: Clock;
  readonly #underWay = new Map<string, Claim>();
  readonly #current = new AsyncLocalStorage<Claim>();

  constructor({ store, clock }: IdempotentRequestsProps) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * The answer to give, or the claim to do the request under. Throws `idempotency_key_reused`, `idempotency_in_progress`,
   * `idempotency_answer_lost` and `idempotency_keys_exhausted`.
   */
  async begin(request: KeyedRequest): Promise<Begun> {
    const claim = this.#claim(request);
    const { row } = claim;
    const name = nameOf(row);
    const other = this.#underWay.get(name);
    if (other) {
      if (other.row.request_sha256 !== row.request_sha256) throw keyReused(request);
      throw new AppError(
        'idempotency_in_progress',
        `Cannot repeat the request with idempotency key "${request.idempotencyKey}": the first one is not answered yet.`,
        { retryAfterMs: limits.idempotencyBusyRetryMs },
      );
    }
    // Before anything is waited for: of two at once one has it.
    this.#underWay.set(name, claim);
    try {
      const stored = await this.#stored(row);
      if (!stored) {
        await this.#checkCapacity(row.token);
        return { claim };
      }
      if (stored.request_sha256 !== row.request_sha256) throw keyReused(request);
      const answer = stored.answer === null ? undefined : openAnswer(stored.answer, request);
      if (!answer) throw answerLost(request, stored.target);
      this.end(claim);
      return { answer };
    } catch (error) {
      this.end(claim);
      throw error;
    }
  }

  /** Runs `work` so that what it writes to the audit log belongs to the request. */
  run<T>(claim: Claim, work: () => T): T {
    return this.#current.run(claim, work);
  }

  /** Of the request that this runs for, if it has a key: `target` was changed in `tx`. */
  async noteEffect(target: string, tx: Transaction<Tables>): Promise<void> {
    const claim = this.#current.getStore();
    if (claim?.isOpen) await this.#store.noteEffect({ ...claim.row, target }, tx);
  }

  /** One that is too large is not stored: a repetition is told what was done. */
  async storeAnswer({ request, row }: Claim, answer: StoredAnswer): Promise<void> {
    if (Buffer.byteLength(answer.body) > limits.idempotentAnswerBytesMax) return;
    await this.#store.storeAnswer({ ...row, answer: sealAnswer(answer, request) });
  }

  /** The request is answered, whatever with. */
  end(claim: Claim): void {
    claim.isOpen = false;
    this.#underWay.delete(nameOf(claim.row));
  }

  #claim(request: KeyedRequest): Claim {
    const row = {
      token: request.token,
      key_sha256: sha256(request.idempotencyKey),
      request_sha256: sha256(request.content),
      made_at: this.#clock.now(),
      target: null,
    };
    return { request, row, isOpen: true };
  }

  /** Undefined for one that is past its time and has not left yet. */
  async #stored(row: Claim['row']): Promise<IdempotentRequestRow | undefined> {
    const stored = await this.#store.find(row);
    if (!stored || row.made_at - stored.made_at < limits.idempotentRequestKeptMs) return stored;
    await this.#store.remove(row);
    return undefined;
  }

  async #checkCapacity(token: string): Promise<void> {
    const { idempotentRequestsPerTokenMax: ofToken, idempotentRequestsMax: inAll } = limits;
    const found = await this.#store.count(token, { ofToken, inAll });
    if (found.ofToken < ofToken && found.inAll < inAll) return;
    const whose =
      found.ofToken < ofToken
        ? `all tokens together have used all ${inAll}`
        : `token "${token}" has used all ${ofToken}`;
    throw new AppError(
      'idempotency_keys_exhausted',
      `Refused the request with an idempotency key: ${whose} keys of a day. Send it without the key, or later.`,
      { retryAfterMs: limits.retentionEveryMs },
    );
  }
}

function nameOf({ token, key_sha256 }: Claim['row']): string {
  return `${token} ${key_sha256}`;
}

function keyReused({ idempotencyKey }: KeyedRequest): AppError {
  return new AppError(
    'idempotency_key_reused',
    `Refused the request: idempotency key "${idempotencyKey}" was already sent with another request. Nothing was changed.`,
  );
}

function answerLost({ idempotencyKey }: KeyedRequest, target: string | null): AppError {
  const what = target === null ? '' : ` It changed "${target}".`;
  return new AppError(
    'idempotency_answer_lost',
    `Cannot repeat the answer to the request with idempotency key "${idempotencyKey}": the request took effect, but its answer is not stored.${what}`,
    target === null ? {} : { details: { target } },
  );
}
