/**
 * The key of an enrolment that was begun. It is on the disk before it is sent anywhere: when the hub's answer is lost, the
 * next try proves with the same key that it is the same device, and is given the identity the hub has already made.
 */

import { createPublicKey } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { type Static, Type } from 'typebox';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { DeviceId, Digest } from '../../shared/base/names.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { dataFolder } from '../config/data-folder.ts';
import { type KeyAndCsr, makeCsr, makeKeyAndCsr } from './csr.ts';

const FILE_BYTES_MAX = 32 * 1024;

const BegunEnrolment = Type.Object({
  v: Type.Literal(1),
  device: DeviceId,
  /** SHA-256 of the join token's secret. */
  token: Digest,
  keyPem: Type.String({ maxLength: 16 * 1024 }),
});
const parseBegun = jsonParser(BegunEnrolment, 'begun enrolment', FILE_BYTES_MAX);

export interface EnrolmentIntent {
  readonly device: string;
  /** The join token's secret. */
  readonly secret: string;
}

/** The key of an earlier try with the same id and token, or a new one, kept in the data folder `folder`. */
export async function enrolmentKey(folder: string, { device, secret }: EnrolmentIntent): Promise<KeyAndCsr> {
  const token = sha256(secret);
  const begun = await readBegun(folder);
  if (begun?.device === device && begun.token === token) {
    const publicKeyPem = createPublicKey(begun.keyPem).export({ type: 'spki', format: 'pem' }).toString();
    return { keyPem: begun.keyPem, csrPem: makeCsr(device, publicKeyPem, begun.keyPem) };
  }
  const made = await makeKeyAndCsr(device);
  await makePrivateFolder(folder);
  const file: Static<typeof BegunEnrolment> = { v: 1, device, token, keyPem: made.keyPem };
  await writeFileAtomic(dataFolder(folder).enrolling, JSON.stringify(file));
  return made;
}

/** The enrolment has ended: its key is kept with the identity, or is of no use. */
export async function forgetEnrolmentKey(folder: string): Promise<void> {
  await rm(dataFolder(folder).enrolling, { force: true });
}

/** A file that does not load is none: the next key takes its place. */
async function readBegun(folder: string): Promise<Static<typeof BegunEnrolment> | undefined> {
  try {
    const begun = parseBegun(await readRegularFile(dataFolder(folder).enrolling, FILE_BYTES_MAX));
    createPublicKey(begun.keyPem);
    return begun;
  } catch {
    return undefined;
  }
}
