/**
 * Ed25519 keys as TUF names them. A key id is the SHA-256 of the key's canonical JSON (TUF specification 4.2), so an id
 * cannot be chosen: two ids are two keys. That is what makes a threshold count keys and not names.
 */

import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { Key, Signature } from '@tufjs/models';
import canonicalize from 'canonicalize';
import { AppError } from '../base/app-error.ts';
import { sha256 } from '../digest/sha256.ts';

/** The TUF form of the public half of an Ed25519 key. Throws `key_unreadable` for a key of another kind. */
export function tufKey(key: KeyObject): Key {
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new AppError('key_unreadable', 'Cannot use the key: it is not an Ed25519 key.');
  }
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const raw = Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url').toString('hex');
  const form = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: raw } };
  return Key.fromJSON(keyIdOf(form), form);
}

/** Key id of an Ed25519 key: SHA-256 of its canonical JSON, hex. */
export function keyIdOfKey(key: KeyObject): string {
  return tufKey(key).keyID;
}

/** SHA-256 of a key's canonical JSON. */
export function keyIdOf(form: object): string {
  return sha256(canonicalize(form) as string);
}

/** Signs as TUF wants it: the signature in hex under the key's id. */
export function tufSigner(privateKey: KeyObject): (data: Buffer) => Signature {
  const keyID = keyIdOfKey(privateKey);
  return (data) => new Signature({ keyID, sig: sign(null, data, privateKey).toString('hex') });
}

/** The public half as PEM (SPKI). */
export function publicKeyPem(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

/** Reads a public key from PEM. Throws `metadata_invalid` when it is none of Ed25519. */
export function readPublicKey(pem: string, what: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === 'ed25519' && !pem.includes('PRIVATE')) return key;
  } catch {
    // Told below: the cause would quote the text.
  }
  throw new AppError('metadata_invalid', `Cannot read ${what}: it is not an Ed25519 public key in PEM.`);
}
