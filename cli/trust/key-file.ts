/**
 * Private keys in files: PKCS#8 PEM, encrypted with a passphrase (encrypted-key.ts), mode 0600. The
 * passphrase comes from the environment or a file, never from an argument, which other users of the machine could read.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { readGivenFile } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { encryptKey } from './encrypted-key.ts';

const passphraseVariable = 'MODELFLEET_PASSPHRASE';
const PASSPHRASE_CHARS_MIN = 8;
/** OpenSSL cuts off what is longer. */
const PASSPHRASE_BYTES_MAX = 1_024;

/** The passphrase: the first line of `file`, else of the environment; undefined when neither is given. Throws `key_unreadable`. */
export async function findPassphrase(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (file === undefined) return environment[passphraseVariable] || undefined;
  const bytes = await readGivenFile(file, limits.keyFileBytesMax).catch((cause: Error) => {
    throw new AppError(
      'key_unreadable',
      cause.message.replace('Cannot read', 'Cannot read the passphrase file'),
      {
        cause,
      },
    );
  });
  return String(bytes).split(/\r?\n/, 1)[0] || undefined;
}

/** Encrypts and writes a key. Throws `bad_input` when the passphrase is no good, `disk_full`. */
export async function writeKeyFile(path: string, key: KeyObject, passphrase: string): Promise<void> {
  requirePassphrase(passphrase);
  await writeFileAtomic(path, await encryptKey(key, passphrase));
}

/** Throws `bad_input` when there is no passphrase to encrypt new keys with, or it is too short or too long. */
export function requirePassphrase(passphrase: string | undefined): asserts passphrase is string {
  const chars = [...(passphrase ?? '')].length;
  if (chars >= PASSPHRASE_CHARS_MIN && Buffer.byteLength(passphrase ?? '') <= PASSPHRASE_BYTES_MAX) return;
  throw new AppError(
    'bad_input',
    `Cannot encrypt keys: expected a passphrase of ${PASSPHRASE_CHARS_MIN} characters or more in ${passphraseVariable} or --passphrase-file, found ${chars}.`,
  );
}

/** Reads a private key. Throws `key_unreadable`; the message tells a wrong passphrase from a missing one. */
export async function readKeyFile(path: string, passphrase: string | undefined): Promise<KeyObject> {
  const bytes = await readGivenFile(path, limits.keyFileBytesMax).catch((cause: Error) => {
    throw new AppError('key_unreadable', cause.message.replace('Cannot read', 'Cannot read the key file'), {
      cause,
    });
  });
  const pem = String(bytes);
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    // The cause is left out: OpenSSL's text helps nobody and may quote the file.
    const encrypted = pem.includes('BEGIN ENCRYPTED PRIVATE KEY');
    const why = !encrypted
      ? 'it contains no private key in PEM'
      : passphrase === undefined
        ? `it is encrypted, and no passphrase was given in ${passphraseVariable} or --passphrase-file`
        : 'the passphrase is wrong, or the file is damaged';
    throw new AppError('key_unreadable', `Cannot read the key file "${path}": ${why}.`);
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new AppError(
    'key_unreadable',
    `Cannot use the key file "${path}": it contains a key of type ${key.asymmetricKeyType}, expected ed25519.`,
  );
}
