/**
 * An answer as it is stored: encrypted with a key that is made of the secret of the caller's token and its idempotency key, neither
 * of which the hub stores. So an answer may hold a secret (a new token): who has the database cannot read it, who repeats
 * the request can.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

export interface StoredAnswer {
  readonly status: number;
  /** Of a created resource. */
  readonly location?: string;
  /** JSON text. */
  readonly body: string;
}

/** What only the caller knows. */
export interface CallerSecret {
  readonly tokenSecret: string;
  readonly idempotencyKey: string;
}

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

export function sealAnswer(answer: StoredAnswer, caller: CallerSecret): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, keyOf(caller), iv);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(answer)), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Undefined when it was sealed for somebody else, or is damaged. */
export function openAnswer(stored: Uint8Array, caller: CallerSecret): StoredAnswer | undefined {
  const bytes = Buffer.from(stored);
  try {
    const decipher = createDecipheriv(CIPHER, keyOf(caller), bytes.subarray(0, IV_BYTES));
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    return JSON.parse(text.toString()) as StoredAnswer;
  } catch {
    return undefined;
  }
}

/** A token's secret is 256 random bits: the key is as strong, whatever the caller chose as idempotency key. */
function keyOf({ tokenSecret, idempotencyKey }: CallerSecret): Buffer {
  return Buffer.from(hkdfSync('sha256', tokenSecret, idempotencyKey, 'modelfleet idempotent answer', 32));
}
