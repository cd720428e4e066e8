/**
 * Signs what webhooks are sent as the Standard Webhooks specification has it: HMAC-SHA256 over id, time and body. The id is the same
 * at each try, so that a receiver can drop repetitions; the time is that of the try, so that it can refuse what is replayed.
 */
import { createHmac } from 'node:crypto';

export interface SignedMessage {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly body: string;
}

export function signedHeaders(secret: Uint8Array, { id, at, body }: SignedMessage): Record<string, string> {
  const timestamp = String(Math.floor(at / 1_000));
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
