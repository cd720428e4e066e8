/**
 * DSSE envelopes (Dead Simple Signing Envelope, protocol v1.0.2, github.com/secure-systems-lab/dsse): a payload, its
 * type, and ed25519 signatures over both. The signature covers the pre-authentication encoding
 * `"DSSEv1" SP len(type) SP type SP len(payload) SP payload`, so a payload signed as one type is never taken for another.
 * An envelope is hostile until `verifyDsse` returns; nothing looks at the payload before.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { AppError } from '../base/app-error.ts';
import { limits } from '../base/limits.ts';
import { Digest } from '../base/names.ts';
import { jsonParser } from '../base/parse.ts';

const base64 = '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$';

export const DsseEnvelope = Type.Object({
  payload: Type.String({ maxLength: limits.controlMessageBytesMax, pattern: base64 }),
  payloadType: Type.String({ minLength: 1, maxLength: 256 }),
  signatures: Type.Array(
    Type.Object({ keyid: Digest, sig: Type.String({ maxLength: 128, pattern: base64 }) }),
    { minItems: 1, maxItems: limits.dsseSignaturesMax },
  ),
});
export type DsseEnvelope = Static<typeof DsseEnvelope>;

const parseEnvelope = jsonParser(
  DsseEnvelope,
  'signed envelope',
  limits.controlMessageBytesMax,
  'signature_invalid',
);

export interface DsseSigner {
  /** Hex digest the verifier looks the public key up by. */
  readonly keyid: string;
  /** Ed25519 private key. */
  readonly privateKey: KeyObject;
}

/** Signs `payload` as `payloadType`; returns the envelope as JSON bytes. Throws `too_large` past the control message limit. */
export function signDsse(payloadType: string, payload: Uint8Array, signer: DsseSigner): Uint8Array {
  const envelope: DsseEnvelope = {
    payload: Buffer.from(payload).toString('base64'),
    payloadType,
    signatures: [
      {
        keyid: signer.keyid,
        sig: sign(null, preAuthenticationEncoding(payloadType, payload), signer.privateKey).toString(
          'base64',
        ),
      },
    ],
  };
  const bytes = Buffer.from(JSON.stringify(envelope));
  if (bytes.byteLength > limits.controlMessageBytesMax) {
    throw new AppError(
      'too_large',
      `Cannot sign a ${payloadType}: the envelope has ${bytes.byteLength} bytes, but at most ${limits.controlMessageBytesMax} are allowed.`,
    );
  }
  return bytes;
}

/**
 * The payload of an envelope that carries a valid signature by one of `keys` (ed25519 public keys, PEM by keyid).
 * Throws `signature_invalid` when the envelope is malformed, of another type, or signed by none of them; `too_large`.
 */
export function verifyDsse(
  envelopeBytes: Uint8Array,
  payloadType: string,
  keys: ReadonlyMap<string, string>,
): Uint8Array {
  const envelope = parseEnvelope(envelopeBytes);
  if (envelope.payloadType !== payloadType) {
    throw new AppError(
      'signature_invalid',
      `Cannot accept a signed message of type "${envelope.payloadType}": expected "${payloadType}".`,
    );
  }
  const payload = Buffer.from(envelope.payload, 'base64');
  const encoded = preAuthenticationEncoding(payloadType, payload);
  for (const { keyid, sig } of envelope.signatures) {
    const pem = keys.get(keyid);
    if (pem !== undefined && isSignedBy(pem, encoded, Buffer.from(sig, 'base64'))) return payload;
  }
  throw new AppError(
    'signature_invalid',
    `Cannot accept a signed ${payloadType}: no trusted key made a valid signature on it (signed with ${envelope.signatures.map((s) => s.keyid.slice(0, 8)).join(', ')}).`,
  );
}

/** Section "Signature Definition" of the DSSE protocol: lengths are decimal byte counts. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.byteLength} `),
    type,
    Buffer.from(` ${payload.byteLength} `),
    payload,
  ]);
}

/** False, not an error, for a key that is none: one bad key in the set must not hide a good one. */
function isSignedBy(pem: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' && verify(null, bytes, key, signature);
  } catch {
    return false;
  }
}
