/**
 * What the publisher's metadata says of versions, and the only two changes it may undergo: one version is added, or one
 * is marked withdrawn. Publishers make the change, the hub checks that nothing else happened.
 */
import { type Metadata, TargetFile, type Targets } from '@tufjs/models';
import canonicalize from 'canonicalize';
import { type Static, Type } from 'typebox';
import { AppError } from '../base/app-error.ts';
import { limits } from '../base/limits.ts';
import { Digest, Timestamp } from '../base/names.ts';
import { ownValue } from '../base/own-value.ts';
import { parser } from '../base/parse.ts';
import { manifestTarget } from '../manifest/model-manifest.ts';
import { fileTarget, makePublisher } from './trust-roles.ts';

/** The `custom` field of a version's target. Integers and strings only: canonical JSON of TUF has no fractions. */
const VersionCustom = Type.Object({
  release: Type.Integer({ minimum: 1, maximum: 2 ** 31 }),
  withdrawn: Type.Optional(
    Type.Object({
      reason: Type.String({ minLength: 1, maxLength: limits.withdrawReasonCharsMax }),
      at: Timestamp,
    }),
  ),
});
export type VersionCustom = Static<typeof VersionCustom>;
const parseCustom = parser(VersionCustom, 'custom field of a version target', 'metadata_invalid');
const parseDigest = parser(Digest, 'SHA-256 of a version target', 'metadata_invalid');

/** A version as the publisher's metadata names it. */
export interface SignedVersion extends VersionCustom {
  readonly target: string;
  readonly manifestSha256: string;
  readonly manifestBytes: number;
}

/** Reads a version's target. Throws `metadata_invalid`. */
export function readVersionTarget(target: TargetFile): SignedVersion {
  return {
    ...parseCustom(target.unrecognizedFields['custom']),
    target: target.path,
    manifestSha256: parseDigest(target.hashes['sha256']),
    manifestBytes: target.length,
  };
}

export type PublisherChange =
  | { readonly kind: 'added'; readonly version: SignedVersion }
  | { readonly kind: 'withdrawn'; readonly version: SignedVersion };

/**
 * The next publisher metadata with one version more; unsigned. `manifest` are the manifest's bytes, `number` is the file's own
 * version. Throws `version_exists`.
 */
export function addVersion(
  current: Metadata<Targets>,
  version: {
    readonly model: string;
    readonly version: string;
    readonly release: number;
    readonly manifest: Uint8Array;
  },
  nowMs: number,
  number = current.signed.version + 1,
): Metadata<Targets> {
  const path = manifestTarget(version.model, version.version);
  if (Object.hasOwn(current.signed.targets, path)) {
    throw new AppError(
      'version_exists',
      `Cannot publish ${version.model} ${version.version}: that version is already published.`,
    );
  }
  const target = fileTarget(path, version.manifest, { release: version.release });
  return makePublisher({ ...current.signed.targets, [path]: target }, { version: number, nowMs });
}

/** The next publisher metadata with a version marked withdrawn; unsigned. Throws `version_unknown`, `version_withdrawn`. */
export function withdrawVersion(
  current: Metadata<Targets>,
  version: { readonly model: string; readonly version: string; readonly reason: string },
  nowMs: number,
  number = current.signed.version + 1,
): Metadata<Targets> {
  const path = manifestTarget(version.model, version.version);
  const name = `${version.model} ${version.version}`;
  const target = ownValue(current.signed.targets, path);
  if (!target)
    throw new AppError('version_unknown', `Cannot withdraw ${name}: no such version is published.`);
  const { release, withdrawn } = readVersionTarget(target);
  if (withdrawn) {
    throw new AppError('version_withdrawn', `Cannot withdraw ${name}: it was withdrawn on ${withdrawn.at}.`);
  }
  const custom = { release, withdrawn: { reason: version.reason, at: new Date(nowMs).toISOString() } };
  const marked = TargetFile.fromJSON(path, { ...target.toJSON(), custom });
  return makePublisher({ ...current.signed.targets, [path]: marked }, { version: number, nowMs });
}

/** The next publisher metadata that says the same; unsigned. */
export function refreshPublisher(
  current: Metadata<Targets>,
  nowMs: number,
  number: number,
): Metadata<Targets> {
  return makePublisher(current.signed.targets, { version: number, nowMs });
}

/**
 * What changed from one publisher metadata to the next. Throws `metadata_stale` when `after` is not the version that
 * follows (`wanted`), `metadata_invalid` when anything changed but one version added or one marked withdrawn.
 */
export function comparePublisher(
  before: Metadata<Targets>,
  after: Metadata<Targets>,
  wanted = before.signed.version + 1,
): PublisherChange {
  if (after.signed.version !== wanted) {
    throw new AppError(
      'metadata_stale',
      `Cannot accept publisher metadata version ${after.signed.version}: the next version is ${wanted}.`,
      { details: { current: before.signed.version } },
    );
  }
  if (after.signed.delegations) throw invalid('it delegates further');
  const changes: PublisherChange[] = [];
  for (const [path, target] of Object.entries(before.signed.targets)) {
    const same = ownValue(after.signed.targets, path);
    if (!same) throw invalid(`"${path}" is missing`);
    if (isSame(target.toJSON(), same.toJSON())) continue;
    changes.push({ kind: 'withdrawn', version: withdrawal(target, same) });
  }
  for (const [path, target] of Object.entries(after.signed.targets)) {
    if (Object.hasOwn(before.signed.targets, path)) continue;
    const version = readVersionTarget(target);
    if (version.withdrawn) throw invalid(`"${path}" is new and already withdrawn`);
    changes.push({ kind: 'added', version });
  }
  const [change, second] = changes;
  if (!change || second) throw invalid(`it contains ${changes.length} changes, expected exactly one`);
  return change;
}

/**
 * Throws `metadata_stale` when the version of `after` does not grow, or is above `highest`; `metadata_invalid` when anything was
 * changed.
 */
export function requireSameTargets(
  before: Metadata<Targets>,
  after: Metadata<Targets>,
  highest: number,
): void {
  const { version } = after.signed;
  if (version <= before.signed.version || version > highest) {
    throw new AppError(
      'metadata_stale',
      `Cannot accept publisher metadata version ${version}: expected more than ${before.signed.version} and at most ${highest}.`,
      { details: { current: before.signed.version } },
    );
  }
  const targets = (of: Metadata<Targets>) =>
    Object.fromEntries(Object.entries(of.signed.targets).map(([path, target]) => [path, target.toJSON()]));
  if (after.signed.delegations) throw invalid('it delegates further');
  if (!isSame(targets(before), targets(after)))
    throw invalid('its content differs from that of the version before');
}

/** The only change an existing target may undergo: the flag is added, all else stays. */
function withdrawal(before: TargetFile, after: TargetFile): SignedVersion {
  const version = readVersionTarget(after);
  const flag = version.withdrawn;
  const custom = before.unrecognizedFields['custom'] as Record<string, unknown>;
  const allowed = {
    ...before.toJSON(),
    custom: {
      ...custom,
      withdrawn: (after.unrecognizedFields['custom'] as Record<string, unknown>)['withdrawn'],
    },
  };
  if (!flag || custom['withdrawn'] !== undefined || !isSame(allowed, after.toJSON())) {
    throw invalid(`"${before.path}" was changed`);
  }
  return version;
}

function invalid(why: string): AppError {
  return new AppError('metadata_invalid', `Cannot accept publisher metadata: ${why}.`);
}

function isSame(a: object, b: object): boolean {
  return canonicalize(a) === canonicalize(b);
}
