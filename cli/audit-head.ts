/** Signed heads of the audit log in files: written as the hub answers, checked before they are used. */
import { type Static, Type } from 'typebox';
import { readGivenFile, unreadableReason } from '../platform/regular-file.ts';
import { AuditHead } from '../shared/api/audit.ts';
import { AppError } from '../shared/base/app-error.ts';
import { Digest } from '../shared/base/names.ts';
import { jsonParser } from '../shared/base/parse.ts';
import { auditHeadType } from '../shared/tuf/audit-head-type.ts';
import { verifyDsse } from '../shared/tuf/dsse.ts';
import { keyIdOfKey, readPublicKey } from '../shared/tuf/ed25519-key.ts';

const HEAD_BYTES_MAX = 16 * 1024;
const parseHead = jsonParser(AuditHead, 'audit head', HEAD_BYTES_MAX);
const Signed = Type.Object({
  v: Type.Literal(1),
  number: Type.Integer(),
  hash: Digest,
  signedAt: Type.Integer(),
});
const parseSigned = jsonParser(Signed, 'signed audit head', HEAD_BYTES_MAX);

export type KeptHead = Static<typeof Signed> & { readonly publicKey: string };

/** What a head file says, when `publicKey` has signed it; absent: the key that the file names. Throws `bad_input`, `signature_invalid`. */
export async function readHeadFile(file: string, publicKey?: string): Promise<KeptHead> {
  let text: string;
  try {
    // A file that the hub appends heads to ends in the newest.
    text = String(await readGivenFile(file, 64 * 1024 * 1024))
      .trim()
      .split('\n')
      .at(-1)!;
  } catch (cause) {
    throw new AppError('bad_input', `Cannot read the audit head "${file}": ${unreadableReason(cause)}.`, {
      cause,
    });
  }
  const head = parseHead(Buffer.from(text));
  const key = publicKey ?? head.publicKey;
  return { ...verifyHead(head.envelope, key), publicKey: key };
}

/** What a signed head says. Throws `signature_invalid`. */
export function verifyHead(envelope: string, publicKey: string): Static<typeof Signed> {
  const key = readPublicKey(publicKey, 'the public key of the hub');
  return parseSigned(
    verifyDsse(Buffer.from(envelope), auditHeadType, new Map([[keyIdOfKey(key), publicKey]])),
  );
}
