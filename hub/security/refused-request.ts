/** Which refused requests of the REST API are security events, and of which kind. */
import type { ErrorCode } from '../../shared/errors/catalogue.ts';
import type { RefusedRequest } from '../http/error-response.ts';
import type { Refusal, RefusalKind } from './refusal.ts';

const kinds: Readonly<Partial<Record<ErrorCode, RefusalKind>>> = {
  unauthorized: 'api_token',
  forbidden: 'role',
  rate_limited: 'rate',
  join_token_unknown: 'join_token',
  join_token_revoked: 'join_token',
  join_token_used_up: 'join_token',
  join_token_expired: 'join_token',
  device_exists: 'join_token',
  bad_csr: 'join_token',
  signature_invalid: 'metadata',
  metadata_invalid: 'metadata',
  metadata_expired: 'metadata',
  metadata_rolled_back: 'metadata',
  artifact_mismatch: 'metadata',
};

/** Undefined: a mistake like any other. */
export function refusalOf({ error, actor, address }: RefusedRequest): Refusal | undefined {
  const kind =
    kinds[error.code] ?? (actor === undefined && error.code !== 'not_found' ? 'request' : undefined);
  if (kind === undefined || error.status >= 500) return undefined;
  return {
    kind,
    ...(actor !== undefined && { actor: `token:${actor}` }),
    address,
    // What does not fit a schema is quoted in the message, and may be a secret.
    reason: kind === 'request' ? error.code : error.message,
  };
}
