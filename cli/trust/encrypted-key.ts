/**
 * PKCS#8 private keys encrypted with a passphrase (RFC 8018, PBES2): PBKDF2 with HMAC-SHA-256, then AES-256-CBC. Laid out here because
 * node:crypto writes 2 048 rounds and takes no other number; it reads what is written here, as OpenSSL does.
 */
import { createCipheriv, type KeyObject, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

/** OWASP Password Storage Cheat Sheet, PBKDF2-HMAC-SHA256. */
const PBKDF2_ROUNDS = 600_000;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTETS = 0x04;
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const pbes2 = oid('2a864886f70d01050d');
const pbkdf2Id = oid('2a864886f70d01050c');
const hmacSha256 = oid('2a864886f70d0209');
const aes256Cbc = oid('60864801650304012a');
const none = Buffer.from([0x05, 0x00]);

/** PEM, `ENCRYPTED PRIVATE KEY`. */
export async function encryptKey(key: KeyObject, passphrase: string): Promise<string> {
  const [salt, iv] = [randomBytes(SALT_BYTES), randomBytes(16)];
  const secret = await promisify(pbkdf2)(passphrase, salt, PBKDF2_ROUNDS, KEY_BYTES, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', secret, iv);
  const plain = key.export({ type: 'pkcs8', format: 'der' });
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const rounds = Buffer.alloc(4);
  rounds.writeUInt32BE(PBKDF2_ROUNDS);
  const derivation = der(
    SEQUENCE,
    // The first byte of so few rounds is zero: positive, and left out as DER wants it.
    der(OCTETS, salt),
    der(INTEGER, rounds.subarray(1)),
    der(SEQUENCE, hmacSha256, none),
  );
  const scheme = der(
    SEQUENCE,
    pbes2,
    der(SEQUENCE, der(SEQUENCE, pbkdf2Id, derivation), der(SEQUENCE, aes256Cbc, der(OCTETS, iv))),
  );
  const text = der(SEQUENCE, scheme, der(OCTETS, encrypted)).toString('base64');
  const lines = text.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN ENCRYPTED PRIVATE KEY-----', ...lines, '-----END ENCRYPTED PRIVATE KEY-----', ''].join(
    '\n',
  );
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length =
    content.length < 0x80 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
