/**
 * The checks before a hub takes on a trust root: once devices have pinned it, it is for good. Everything is verified
 * from the root down, and that the hub can do its part in it.
 */
import type { Metadata, Root, Targets } from '@tufjs/models';
import { AppError } from '../../shared/base/app-error.ts';
import { manifestTarget } from '../../shared/manifest/model-manifest.ts';
import { directorTarget, parseDirectorKeys } from '../../shared/protocol/desired-state.ts';
import { expiresAtMs, parseMetadata, requireSigned } from '../../shared/tuf/metadata-file.ts';
import { fitsTarget, publisherPaths, publisherRole } from '../../shared/tuf/trust-roles.ts';
import type { OnlineKeys } from './online-keys.ts';

export interface TrustBundle {
  readonly root: Uint8Array;
  readonly targets: Uint8Array;
  readonly publisher: Uint8Array;
  readonly director: Uint8Array;
}

/** Throws `metadata_invalid`, `signature_invalid`, `metadata_expired` or `too_large`; returns the parsed roles. */
export function checkTrustBundle(
  bundle: TrustBundle,
  { keys, nowMs }: { readonly keys: Pick<OnlineKeys, 'publicKeys'>; readonly nowMs: number },
): { root: Metadata<Root>; targets: Metadata<Targets>; publisher: Metadata<Targets> } {
  const root = parseMetadata('root', bundle.root);
  requireSigned(root, 'root', root);
  checkRoot(root, keys);
  const targets = parseMetadata('targets', bundle.targets);
  requireSigned(root, 'targets', targets);
  checkDelegation(targets);
  const publisher = parseMetadata('targets', bundle.publisher, publisherRole);
  requireSigned(targets, publisherRole, publisher);
  if (Object.keys(publisher.signed.targets).length > 0 || publisher.signed.delegations) {
    throw refuse('publisher metadata is not empty; versions are added by publishing them');
  }
  const director = targets.signed.targets[directorTarget];
  if (!director || !fitsTarget(director, bundle.director)) {
    throw refuse(`the target "${directorTarget}" does not have the length and digest of the file sent`);
  }
  const own = keys.publicKeys.director.keyid;
  if (!parseDirectorKeys(bundle.director).keys.some((key) => key.keyid === own)) {
    throw refuse(`"${directorTarget}" does not name this hub's director key`);
  }
  for (const [role, metadata] of Object.entries({ root, targets, publisher }))
    requireFresh(role, metadata, nowMs);
  return { root, targets, publisher };
}

/** Throws `metadata_expired`. */
export function requireFresh(
  role: string,
  metadata: Metadata<Root> | Metadata<Targets>,
  nowMs: number,
): void {
  if (expiresAtMs(metadata) <= nowMs) {
    throw new AppError(
      'metadata_expired',
      `Cannot accept ${role} metadata: it expired on ${metadata.signed.expires}, the hub's clock shows ${new Date(nowMs).toISOString()}.`,
    );
  }
}

/** The delegation to the publisher; throws `metadata_invalid` when there is none. */
export function publisherDelegation(targets: Metadata<Targets>) {
  const role = targets.signed.delegations?.roles?.[publisherRole];
  if (!role) throw refuse(`targets metadata does not delegate to "${publisherRole}"`);
  return role;
}

function checkRoot(root: Metadata<Root>, { publicKeys }: Pick<OnlineKeys, 'publicKeys'>): void {
  const { roles, consistentSnapshot } = root.signed;
  if (!consistentSnapshot) throw refuse('root metadata does not set consistent_snapshot');
  for (const name of ['snapshot', 'timestamp'] as const) {
    const role = roles[name];
    if (role?.threshold !== 1 || role.keyIDs.length !== 1 || role.keyIDs[0] !== publicKeys[name].keyid) {
      throw refuse(`the role "${name}" of the root must have this hub's ${name} key and no other`);
    }
  }
  const online: string[] = Object.values(publicKeys).map((key) => key.keyid);
  for (const name of ['root', 'targets'] as const) {
    if (roles[name]?.keyIDs.some((id) => online.includes(id))) {
      throw refuse(`the role "${name}" is given to a key of the hub; its keys must stay offline`);
    }
  }
}

function checkDelegation(targets: Metadata<Targets>): void {
  const role = publisherDelegation(targets);
  const delegations = targets.signed.delegations;
  if (Object.keys(delegations?.roles ?? {}).length !== 1 || delegations?.succinctRoles) {
    throw refuse(`targets metadata delegates to more than "${publisherRole}"`);
  }
  if (!role.terminating) throw refuse(`the delegation to "${publisherRole}" is not terminating`);
  const paths = role.paths ?? [];
  const allowed = (path: string): boolean =>
    path === publisherPaths()[0] || /^models\/[a-z0-9][a-z0-9-]*\/\*\/manifest\.json$/.test(path);
  if (paths.length === 0 || !paths.every(allowed)) {
    throw refuse(
      `the delegation to "${publisherRole}" covers paths other than "${manifestTarget('NAME', '*')}"`,
    );
  }
}

function refuse(why: string): AppError {
  return new AppError('metadata_invalid', `Cannot accept the trust root: ${why}.`);
}
