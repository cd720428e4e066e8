/**
 * The shape of modelfleet's TUF repository, in one place: root (offline, threshold) → targets (offline) → `publisher`
 * (offline, at the publisher's), with the hub's online keys for snapshot and timestamp. `targets` holds the director's
 * public keys; `publisher` holds the versions.
 */

import type { KeyObject } from 'node:crypto';
import { type Key, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';
import { Delegations } from '@tufjs/models/dist/delegations.js';
import { DelegatedRole, Role } from '@tufjs/models/dist/role.js';
import { sha256 } from '../digest/sha256.ts';
import { directorTarget } from '../protocol/desired-state.ts';
import { tufKey } from './ed25519-key.ts';
import { tufTime } from './metadata-file.ts';

export const publisherRole = 'publisher';
const SPEC_VERSION = '1.0.31';

/** Signing roles: how long their metadata lives, days. Snapshot and timestamp are signed again by the hub in time. */
export const lifetimeDays = { root: 365, targets: 365, publisher: 365, snapshot: 7, timestamp: 1 } as const;
const DAY_MS = 86_400_000;

/** What the publisher role may sign for: versions of every model, or of one. */
export function publisherPaths(model = '*'): string[] {
  return [`models/${model}/*/manifest.json`];
}

export interface RootKeys {
  readonly root: readonly KeyObject[];
  readonly rootThreshold: number;
  readonly targets: readonly KeyObject[];
  readonly snapshot: KeyObject;
  readonly timestamp: KeyObject;
}

/** Root metadata, unsigned. Keys may be public or private; only their public halves are used. */
export function makeRoot(keys: RootKeys, options: { readonly version?: number; readonly nowMs: number }) {
  const all: Key[] = [];
  const role = (members: readonly KeyObject[], threshold: number): Role => {
    const own = members.map(tufKey);
    all.push(...own);
    return new Role({ keyIDs: own.map((key) => key.keyID), threshold });
  };
  const roles = {
    root: role(keys.root, keys.rootThreshold),
    targets: role(keys.targets, 1),
    snapshot: role([keys.snapshot], 1),
    timestamp: role([keys.timestamp], 1),
  };
  return new Metadata(
    new Root({
      ...common('root', options.version ?? 1, options.nowMs),
      keys: byId(all),
      roles,
      consistentSnapshot: true,
    }),
  );
}

/** Top-level targets, unsigned: the director's keys, and the delegation of `paths` to the publisher. */
export function makeTargets(
  content: {
    readonly director: Uint8Array;
    readonly publishers: readonly KeyObject[];
    readonly paths: string[];
  },
  options: { readonly version?: number; readonly nowMs: number },
) {
  const keys = content.publishers.map(tufKey);
  const role = new DelegatedRole({
    name: publisherRole,
    keyIDs: keys.map((key) => key.keyID),
    threshold: 1,
    terminating: true,
    paths: content.paths,
  });
  return new Metadata(
    new Targets({
      ...common('targets', options.version ?? 1, options.nowMs),
      targets: { [directorTarget]: fileTarget(directorTarget, content.director) },
      delegations: new Delegations({ keys: byId(keys), roles: { [publisherRole]: role } }),
    }),
  );
}

/** Publisher metadata, unsigned. */
export function makePublisher(
  targets: Readonly<Record<string, TargetFile>>,
  options: { readonly version: number; readonly nowMs: number },
) {
  return new Metadata(
    new Targets({ ...common('publisher', options.version, options.nowMs), targets: { ...targets } }),
  );
}

/** Snapshot of the given files, unsigned. */
export function makeSnapshot(
  files: Readonly<Record<string, { readonly version: number; readonly bytes: Uint8Array }>>,
  options: { readonly version: number; readonly nowMs: number },
) {
  const meta = Object.fromEntries(
    Object.entries(files).map(([role, file]) => [`${role}.json`, metaFile(file.version, file.bytes)]),
  );
  return new Metadata(new Snapshot({ ...common('snapshot', options.version, options.nowMs), meta }));
}

/**
 * Timestamp of a snapshot, unsigned. `issued` is an extra field: the time at the hub, from which an agent learns that
 * its own clock is behind.
 */
export function makeTimestamp(
  snapshot: { readonly version: number; readonly bytes: Uint8Array },
  options: { readonly version: number; readonly nowMs: number },
) {
  return new Metadata(
    new Timestamp({
      ...common('timestamp', options.version, options.nowMs),
      snapshotMeta: metaFile(snapshot.version, snapshot.bytes),
      unrecognizedFields: { issued: tufTime(options.nowMs) },
    }),
  );
}

/** A target with the length and SHA-256 of `bytes`. */
export function fileTarget(
  path: string,
  bytes: Uint8Array,
  custom?: Record<string, string | number>,
): TargetFile {
  return new TargetFile({
    path,
    length: bytes.byteLength,
    hashes: { sha256: sha256(bytes) },
    unrecognizedFields: custom === undefined ? {} : { custom },
  });
}

/** True when `bytes` have the length and the SHA-256 of the target. A target without SHA-256 fits nothing. */
export function fitsTarget(target: TargetFile, bytes: Uint8Array): boolean {
  return target.length === bytes.byteLength && target.hashes['sha256'] === sha256(bytes);
}

function common(role: keyof typeof lifetimeDays, version: number, nowMs: number) {
  return { specVersion: SPEC_VERSION, version, expires: tufTime(nowMs + lifetimeDays[role] * DAY_MS) };
}

function metaFile(version: number, bytes: Uint8Array): MetaFile {
  return new MetaFile({ version, length: bytes.byteLength, hashes: { sha256: sha256(bytes) } });
}

function byId(keys: readonly Key[]): Record<string, Key> {
  return Object.fromEntries(keys.map((key) => [key.keyID, key]));
}
