/**
 * TUF metadata files between bytes and objects, and the check of their signatures. Bytes are hostile until
 * `requireSigned` has passed: whatever they hold, only AppErrors come out, and no work is done past the named limits.
 */
import type { KeyObject } from 'node:crypto';
import {
  type Key,
  Metadata,
  MetadataKind,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from '@tufjs/models';
import canonicalize from 'canonicalize';
import { AppError, errorText } from '../base/app-error.ts';
import { limits } from '../base/limits.ts';
import { readJson } from '../base/read-json.ts';
import { timeOf } from '../base/time.ts';
import { keyIdOf, tufSigner } from './ed25519-key.ts';

interface Kinds {
  root: Root;
  targets: Targets;
  snapshot: Snapshot;
  timestamp: Timestamp;
}
export type AnyMetadata = Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>;

const EXPIRES = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;

/**
 * Parses one metadata file; `what` names it in messages. Signatures are not checked here.
 * Throws `too_large`, or `metadata_invalid` when it is no metadata of that kind.
 */
export function parseMetadata<K extends keyof Kinds>(
  kind: K,
  bytes: Uint8Array,
  what: string = kind,
): Metadata<Kinds[K]> {
  const bounds = { bytesMax: limits.tufFileBytesMax, code: 'metadata_invalid' } as const;
  // What it says is looked at below, and canonicalized by a walk that recurses.
  const json = readJson(bytes, `${what} metadata`, bounds) as Parameters<typeof Metadata.fromJSON>[1];
  try {
    boundEntries(json);
    // The overloads of fromJSON take one literal each; the kind was checked by it at run time.
    const metadata = Metadata.fromJSON(kind as MetadataKind.Root, json) as unknown as Metadata<Kinds[K]>;
    checkSigned(metadata);
    // Signatures are checked over the parsed form: a file that says the same in another shape is not what was signed.
    if (canonicalize(json.signed) !== canonicalize(metadata.signed.toJSON()))
      throw new Error('its form is not as specified');
    return metadata;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('metadata_invalid', `Cannot read ${what} metadata: ${errorText(cause)}.`, { cause });
  }
}

/** The file's bytes. Signatures cover the canonical form, so the layout is free; it is compact. */
export function encodeMetadata(metadata: AnyMetadata): Buffer {
  return Buffer.from(JSON.stringify(metadata.toJSON()));
}

/** Adds the signature of each key. */
export function signMetadata(metadata: AnyMetadata, privateKeys: readonly KeyObject[]): void {
  for (const key of privateKeys) metadata.sign(tufSigner(key));
}

/**
 * Checks that `metadata` carries the signatures that `delegator` wants of `role`: a threshold of different keys.
 * Throws `signature_invalid`.
 */
export function requireSigned(
  delegator: Metadata<Root> | Metadata<Targets>,
  role: string,
  metadata: AnyMetadata,
): void {
  try {
    (delegator as Metadata<Root>).verifyDelegate(role, metadata as Metadata<Root>);
  } catch (cause) {
    throw new AppError(
      'signature_invalid',
      `Cannot accept ${role} metadata version ${metadata.signed.version}: ${errorText(cause)}.`,
      { cause },
    );
  }
}

/** Milliseconds since the epoch at which the metadata expires. */
export function expiresAtMs(metadata: AnyMetadata): number {
  return Date.parse(metadata.signed.expires);
}

/** A time as TUF writes it: UTC, whole seconds. */
export function tufTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function boundEntries(json: unknown): void {
  const signed = (json as { signed?: { targets?: unknown; meta?: unknown; keys?: unknown } } | null)?.signed;
  for (const entries of [signed?.targets, signed?.meta, signed?.keys]) {
    if (
      typeof entries === 'object' &&
      entries !== null &&
      Object.keys(entries).length > limits.tufTargetsMax
    ) {
      throw new AppError(
        'too_large',
        `Cannot read metadata: it has more than ${limits.tufTargetsMax} entries of one kind.`,
      );
    }
  }
}

function checkSigned(metadata: Metadata<Root | Targets | Snapshot | Timestamp>): void {
  const { signed } = metadata;
  if (!Number.isSafeInteger(signed.version) || signed.version < 1)
    throw new Error('"version" is not a positive integer');
  if (!EXPIRES.test(signed.expires) || timeOf(signed.expires) === undefined)
    throw new Error('"expires" is not a time like 2030-01-31T00:00:00Z');
  if (signed.type === MetadataKind.Root) checkKeys(signed.keys);
  if (signed.type === MetadataKind.Targets && signed.delegations) checkKeys(signed.delegations.keys);
}

/** An id that is not its key's digest would let one key count twice towards a threshold. */
function checkKeys(keys: Readonly<Record<string, Key>>): void {
  for (const [id, key] of Object.entries(keys)) {
    if (keyIdOf(key.toJSON()) !== id) throw new Error(`key id "${id}" is not the digest of its key`);
  }
}
