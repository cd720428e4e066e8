/**
 * The model registry: every version that was published, checked before it was (promise: what the registry lists is
 * signed, complete and unchanged). A version is immutable; the only change is that its publisher withdraws it.
 */

import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { breakingChanges, listChanges } from '../../shared/inference/interface-changes.ts';
import { type ModelManifest, manifestTarget, parseManifest } from '../../shared/manifest/model-manifest.ts';
import type { PublisherChange } from '../../shared/tuf/published-targets.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Database } from '../db/database.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { Position } from '../http/sorting.ts';
import type { TufRepository } from '../signing/tuf-repository.ts';
import type { BlobLedger } from '../transfer/blob-ledger.ts';
import type { BlobStore } from '../transfer/blob-store.ts';
import { ModelStore, type ModelSummary, type VersionQuery, type VersionSummary } from './model-store.ts';
import type { PublishedVersion } from './published-version.ts';
import { checkManifest, requireChunks, verifyArtifacts } from './version-check.ts';

export interface ModelServiceProps {
  readonly database: Database;
  readonly blobs: Pick<BlobStore, 'get'>;
  readonly ledger: Pick<BlobLedger, 'missing' | 'put' | 'name' | 'pin'>;
  readonly trust: Pick<TufRepository, 'publish'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
}

export interface VersionOffer {
  readonly model: string;
  /** The manifest's bytes. */
  readonly manifest: Uint8Array;
  /** The next publisher metadata, which signs the manifest. */
  readonly metadata: Uint8Array;
  /** Publish it although its interface breaks clients of the newest version before it. */
  readonly breaking?: boolean | undefined;
}

/** Versions kept parsed: manifests are immutable, and telemetry and rollouts ask for the same few again and again. */
const CACHED_MAX = 64;

export class ModelService {
  readonly #props: ModelServiceProps;
  readonly #store: ModelStore;
  readonly #cache = new Map<string, PublishedVersion>();

  constructor(props: ModelServiceProps) {
    this.#props = props;
    this.#store = new ModelStore(props.database);
  }

  async find(model: string, version: string): Promise<PublishedVersion | undefined> {
    const key = `${model}@${version}`;
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const found = await this.#store.find(model, version);
    if (!found) return undefined;
    const [oldest] = this.#cache.keys();
    if (this.#cache.size >= CACHED_MAX && oldest !== undefined) this.#cache.delete(oldest);
    this.#cache.set(key, found);
    return found;
  }

  /** Those of these versions that were published. */
  published<T extends { readonly model: string; readonly version: string }>(
    versions: readonly T[],
  ): Promise<readonly T[]> {
    return this.#store.published(versions);
  }

  /** Each model with its newest version, by name; those after `after`. */
  models(page: { readonly position: Position; readonly limit: number }): Promise<ModelSummary[]> {
    return this.#store.models(page);
  }

  /** Versions of a model without their manifests. */
  list(model: string, page: VersionQuery): Promise<VersionSummary[]> {
    return this.#store.list(model, page);
  }

  /** Whether a version of the model was ever published. */
  isKnown(model: string): Promise<boolean> {
    return this.#store.isKnown(model);
  }

  /** The files of a version have left. */
  contentLeft({ model, version }: { readonly model: string; readonly version: string }): void {
    this.#cache.delete(`${model}@${version}`);
  }

  /** True when the chunk belongs to an artifact of the version with that manifest digest. */
  hasChunk(manifestSha256: string, chunkSha256: string): Promise<boolean> {
    return this.#store.hasChunk(manifestSha256, chunkSha256);
  }

  /**
   * Publishes a version whose chunks are already uploaded. Throws `version_exists`, `release_not_growing`, `interface_breaking`, `chunks_missing`, `artifact_mismatch`, `bad_input`,
   * `too_large`, and what TufRepository.publish throws; then nothing has changed.
   */
  async publish(offer: VersionOffer, actor: Actor): Promise<PublishedVersion> {
    const manifestBytes = offer.manifest;
    const manifest = parseManifest(manifestBytes);
    const { model, version } = manifest;
    if (model !== offer.model) {
      throw new AppError(
        'bad_input',
        `Cannot publish to "${offer.model}": the manifest names model "${model}".`,
      );
    }
    checkManifest(manifest);
    if (await this.find(model, version)) {
      throw new AppError(
        'version_exists',
        `Cannot publish ${model} ${version}: that version is already published.`,
      );
    }
    const manifestSha256 = sha256(manifestBytes);
    const named = [...new Set([...manifest.files.flatMap((file) => file.chunks), manifestSha256])];
    const unpin = this.#props.ledger.pin(named);
    try {
      await this.#publish({ ...offer, manifest, manifestBytes, manifestSha256, named }, actor);
    } finally {
      unpin();
    }
    return this.#require(model, version);
  }

  /** With all that the version names pinned: nothing of it leaves meanwhile. */
  async #publish(
    offer: Omit<VersionOffer, 'manifest'> & {
      readonly manifest: ModelManifest;
      readonly manifestBytes: Uint8Array;
      readonly manifestSha256: string;
      readonly named: readonly string[];
    },
    actor: Actor,
  ): Promise<void> {
    const { blobs, ledger, trust, audit, clock } = this.#props;
    const { manifest, manifestBytes, manifestSha256, named } = offer;
    const { model, version, release } = manifest;
    const missing = await ledger.missing(named);
    requireChunks(
      manifest,
      missing.filter((digest) => digest !== manifestSha256),
    );
    await verifyArtifacts(manifest, blobs);
    await ledger.put(manifestSha256, manifestBytes, actor.name);
    await trust.publish(offer.metadata, async (tx, change) => {
      requireAdded(change, { model, version, release, manifestSha256, bytes: manifestBytes.byteLength });
      const figures = await this.#store.figures(tx, model);
      if (release <= figures.release) {
        throw new AppError(
          'release_not_growing',
          `Cannot publish ${model} ${version}: its release is ${release}, expected more than ${figures.release}.`,
          { details: { highest: figures.release } },
        );
      }
      if (figures.versions >= limits.versionsPerModelMax) {
        throw new AppError(
          'too_large',
          `Cannot publish ${model} ${version}: the model already has ${figures.versions} versions, the maximum.`,
        );
      }
      const newest = await this.#store.newest(tx, model);
      const breaking = newest ? breakingChanges(newest.interface, manifest.interface) : [];
      if (newest && breaking.length > 0 && !offer.breaking) {
        throw new AppError(
          'interface_breaking',
          `Cannot publish ${model} ${version}: it breaks clients of ${newest.version}: ${listChanges(breaking)}. If the clients change together with the model, repeat with --breaking.`,
          {
            details: { before: newest.version, changes: breaking.slice(0, limits.interfaceChangesNamedMax) },
          },
        );
      }
      await this.#store.add(tx, {
        manifest,
        bytes: manifestBytes,
        publishedAt: clock.now(),
        publishedBy: actor.name,
      });
      await ledger.name(named, tx);
      await audit.append(
        {
          ...auditActor(actor),
          action: 'version.published',
          target: `model/${model}@${version}`,
          details: {
            release,
            manifestSha256,
            ...(breaking.length > 0
              ? { breaking: breaking.slice(0, limits.interfaceChangesNamedMax), before: newest!.version }
              : {}),
          },
        },
        tx,
      );
    });
  }

  /** Marks a version withdrawn, as the signed metadata says. Throws `not_found`, `version_withdrawn`, and as `publish`. */
  async withdraw(
    { model, version, reason }: { readonly model: string; readonly version: string; readonly reason: string },
    metadata: Uint8Array,
    actor: Actor,
  ): Promise<PublishedVersion> {
    const { withdrawn } = await this.#require(model, version);
    if (withdrawn) {
      throw new AppError(
        'version_withdrawn',
        `Cannot withdraw ${model} ${version}: it was withdrawn on ${new Date(withdrawn.at).toISOString()}.`,
      );
    }
    await this.#props.trust.publish(metadata, async (tx, change) => {
      const flag = change.version.withdrawn;
      if (
        change.kind !== 'withdrawn' ||
        change.version.target !== manifestTarget(model, version) ||
        flag?.reason !== reason
      ) {
        throw new AppError(
          'metadata_invalid',
          `Cannot withdraw ${model} ${version}: the signed metadata does not contain this withdrawal with this reason.`,
        );
      }
      await this.#store.markWithdrawn(tx, {
        model,
        version,
        at: Date.parse(flag.at),
        reason,
        knownAt: this.#props.clock.now(),
      });
      await this.#props.audit.append(
        {
          ...auditActor(actor),
          action: 'version.withdrawn',
          target: `model/${model}@${version}`,
          details: { reason },
        },
        tx,
      );
    });
    this.#cache.delete(`${model}@${version}`);
    return this.#require(model, version);
  }

  async #require(model: string, version: string): Promise<PublishedVersion> {
    const found = await this.find(model, version);
    if (found) return found;
    throw new AppError('not_found', `Cannot find ${model} ${version}: no such version is published.`);
  }
}

function requireAdded(
  change: PublisherChange,
  wanted: { model: string; version: string; release: number; manifestSha256: string; bytes: number },
): void {
  const { version } = change;
  const name = `${wanted.model} ${wanted.version}`;
  if (change.kind !== 'added' || version.target !== manifestTarget(wanted.model, wanted.version)) {
    throw new AppError(
      'metadata_invalid',
      `Cannot publish ${name}: the signed metadata does not add this version.`,
    );
  }
  if (version.manifestSha256 !== wanted.manifestSha256 || version.manifestBytes !== wanted.bytes) {
    throw new AppError(
      'artifact_mismatch',
      `Cannot publish ${name}: the manifest has digest "${wanted.manifestSha256}" and ${wanted.bytes} bytes, and the signed metadata names "${version.manifestSha256}" and ${version.manifestBytes} bytes.`,
    );
  }
  if (version.release !== wanted.release) {
    throw new AppError(
      'metadata_invalid',
      `Cannot publish ${name}: its release is ${wanted.release}, and the signed metadata names ${version.release}.`,
    );
  }
}
