/** Secrets of bearer tokens: made once, shown once, kept as SHA-256 only. 256 random bits need no slow hash. */

import { randomBytes } from 'node:crypto';
import { sha256 } from '../../shared/digest/sha256.ts';

const PREFIX = 'mft_';

/** `mft_` and 43 characters of base64url. The prefix lets secret scanners find it. */
export function makeTokenSecret(): string {
  return PREFIX + randomBytes(32).toString('base64url');
}

/**
 * What is stored and looked up. A query by this hash tells an attacker nothing through its timing: how far a guess matches
 * the stored hash says nothing of how to match further.
 */
export function tokenSecretHash(secret: string): string {
  return sha256(secret);
}
