/**
 * How many requests a token may make in a minute, and what its answers say of it (draft-ietf-httpapi-ratelimit-headers): the policy
 * and what is left of it. Tokens share the beginning of their minute, so that what is remembered is one number for each token
 * that was used in it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../shared/base/app-error.ts';

const WINDOW_MS = 60_000;

export interface RequestRateProps {
  /** Of one token. */
  readonly perMinuteMax: number;
  readonly monotonic: () => number;
}

export interface Allowance {
  readonly isAllowed: boolean;
  readonly remaining: number;
  readonly resetMs: number;
}

export class RequestRate {
  readonly perMinuteMax: number;
  readonly #monotonic: () => number;
  readonly #made = new Map<string, number>();
  #since: number;

  constructor({ perMinuteMax, monotonic }: RequestRateProps) {
    this.perMinuteMax = perMinuteMax;
    this.#monotonic = monotonic;
    this.#since = monotonic();
  }

  /** Counts one request of `token`; refused ones count no further. */
  take(token: string): Allowance {
    const now = this.#monotonic();
    if (now - this.#since >= WINDOW_MS) {
      this.#made.clear();
      this.#since = now;
    }
    const made = this.#made.get(token) ?? 0;
    const isAllowed = made < this.perMinuteMax;
    if (isAllowed) this.#made.set(token, made + 1);
    return {
      isAllowed,
      remaining: Math.max(0, this.perMinuteMax - made - 1),
      resetMs: Math.ceil(WINDOW_MS - (now - this.#since)),
    };
  }
}

/** Counts a request of a token that works, also one that its role does not allow. Throws `rate_limited`. */
export function checkRequestRate(rate: RequestRate, { actor }: FastifyRequest, reply: FastifyReply): void {
  const allowance = rate.take(actor.name);
  showRate(reply, { ...allowance, max: rate.perMinuteMax });
  if (allowance.isAllowed) return;
  throw new AppError(
    'rate_limited',
    `Refused the request: token "${actor.name}" has made the ${rate.perMinuteMax} requests that a token may make in a minute. The option --requests-per-token of the hub sets how many.`,
    { retryAfterMs: allowance.resetMs },
  );
}

/** What is left of the policy `token`, of which `max` requests are allowed in a minute. */
function showRate(
  reply: FastifyReply,
  { max, remaining, resetMs }: { readonly max: number; readonly remaining: number; readonly resetMs: number },
): void {
  void reply
    .header('ratelimit-policy', `"token";q=${max};w=${WINDOW_MS / 1_000}`)
    .header('ratelimit', `"token";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`);
}
