/**
 * Changes to the publisher's metadata, signed here. The hub is not trusted with what is signed: only metadata that
 * carries this key's own signature is added to, and none older than what this key was seen to sign.
 */
import type { KeyObject } from 'node:crypto';
import type { Metadata, Targets } from '@tufjs/models';
import { Type } from 'typebox';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { TrustStatus } from '../../shared/api/trust.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { tufKey } from '../../shared/tuf/ed25519-key.ts';
import { encodeMetadata, parseMetadata, signMetadata } from '../../shared/tuf/metadata-file.ts';
import { answerParser } from '../answer-parser.ts';
import type { HubClient } from '../context.ts';

const TRIES = 8;
const SEEN_BYTES_MAX = 1024;
const parseSeen = jsonParser(
  Type.Object({ v: Type.Literal(1), version: Type.Integer({ minimum: 1 }) }),
  'record of signed versions',
  SEEN_BYTES_MAX,
);

const parseTrust = answerParser(TrustStatus);

export interface PublisherSigningProps {
  readonly hub: Pick<HubClient, 'get'>;
  readonly key: KeyObject;
  /** The key's file; beside it lies what it was last seen to sign. */
  readonly keyFile: string;
  /** The hub was restored from a backup: it may show older metadata than this key has signed, and the next goes above that. */
  readonly restored?: boolean;
}

export interface SignedChange<T> {
  /** Makes the next metadata from the current one; `number` is its version. */
  readonly change: (current: Metadata<Targets>, number: number) => Metadata<Targets>;
  /** Sends it; `metadata_stale` means that somebody else was faster, and all of it is done again. */
  readonly send: (metadata: Buffer, number: number) => Promise<T>;
}

/** Throws `signature_invalid`, `metadata_rolled_back`, `metadata_stale` after several tries, and what the two functions throw. */
export async function signAndSend<T>(
  props: PublisherSigningProps,
  { change, send }: SignedChange<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const { current, number } = await fetchCurrent(props);
    const next = change(current, number);
    signMetadata(next, [props.key]);
    try {
      const answer = await send(encodeMetadata(next), number);
      await remember(props.keyFile, next.signed.version);
      return answer;
    } catch (error) {
      if (!isAppError(error, 'metadata_stale') || attempt >= TRIES) throw error;
    }
  }
}

async function fetchCurrent({
  hub,
  key,
  keyFile,
  restored = false,
}: PublisherSigningProps): Promise<{ current: Metadata<Targets>; number: number }> {
  const { nextPublisherVersion = 0 } = parseTrust(await hub.get('/trust'));
  const json = await hub.get('/trust/publisher');
  const current = parseMetadata('targets', Buffer.from(JSON.stringify(json)), 'publisher');
  try {
    tufKey(key).verifySignature(current);
  } catch (cause) {
    throw new AppError(
      'signature_invalid',
      `Cannot sign with "${keyFile}": this key did not sign the hub's publisher metadata. It is not the publisher's key, or the metadata was changed.`,
      { cause },
    );
  }
  const seen = await lastSeen(keyFile);
  const number = Math.max(current.signed.version, restored ? seen : 0, nextPublisherVersion - 1) + 1;
  if (current.signed.version >= seen || restored) return { current, number };
  throw new AppError(
    'metadata_rolled_back',
    `Cannot sign with "${keyFile}": the hub has publisher metadata version ${current.signed.version}, but this key already signed version ${seen}. If the hub was restored from a backup, check its versions with "modelfleet models list" and run "modelfleet trust refresh --restored --key ${keyFile}".`,
  );
}

async function lastSeen(keyFile: string): Promise<number> {
  try {
    return parseSeen(await readRegularFile(seenFile(keyFile), SEEN_BYTES_MAX, { links: true })).version;
  } catch {
    return 0;
  }
}

/** A key on a medium that cannot be written to works as well; then only the signature protects. */
async function remember(keyFile: string, version: number): Promise<void> {
  await writeFileAtomic(seenFile(keyFile), JSON.stringify({ v: 1, version })).catch(() => undefined);
}

function seenFile(keyFile: string): string {
  return `${keyFile}.seen.json`;
}
