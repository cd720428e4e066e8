/**
 * Trust on the device (TUF): which versions exist, and whose desired state counts. Answers come from metadata that was
 * verified from the pinned root down; what was verified is stored, what was not never is. Running versions do not depend
 * on it: expiry and silence block new installs only (promise P2).
 */
import { clockToleranceMs, comparisonText } from '../../platform/clock-fault.ts';
import { type WithFreeSpace, withoutReserve } from '../../platform/disk-reserve.ts';
import type { Logger } from '../../platform/logger.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { RetryBackoff } from '../../shared/base/retry-backoff.ts';
import { SerialQueue } from '../../shared/base/serial-queue.ts';
import { manifestTarget } from '../../shared/manifest/model-manifest.ts';
import { directorTarget, parseDirectorKeys } from '../../shared/protocol/desired-state.ts';
import { readVersionTarget } from '../../shared/tuf/published-targets.ts';
import { fitsTarget } from '../../shared/tuf/trust-roles.ts';
import type { ClockFloor } from './clock-floor.ts';
import { MetadataMirror } from './metadata-mirror.ts';
import { roleExpiry, trustRoles } from './role-expiry.ts';
import { TrustedUpdate } from './trusted-update.ts';
import type { TrustedVersion, TrustedVersions } from './trusted-version.ts';
import { trustRootLost, type VerifiedFiles, type VerifiedSet } from './verified-files.ts';

export interface VerifiedVersionsProps {
  readonly files: VerifiedFiles;
  readonly floor: ClockFloor;
  readonly clock: Clock;
  /** Frees space for what must be written on a full disk. */
  readonly withFreeSpace?: WithFreeSpace | undefined;
  readonly logger: Logger;
  /** How long one metadata file is waited for. */
  readonly timeoutMs?: number;
  /** The hub's clock, milliseconds since the epoch: asked when metadata is expired by this clock. */
  readonly hubTime?: () => Promise<number | undefined>;
}

interface Verified {
  readonly revision: number;
  readonly update: TrustedUpdate;
  readonly director: ReadonlyMap<string, string>;
}

const TIMEOUT_MS = 15_000;
/** How long stored director keys wait for the metadata of the hub, which follows a desired state within moments. */
const OFFLINE_WAIT_MS = 2_000;
/** Tries when files of two publications arrive mixed. */
const TRIES = 3;
/** Metadata that was refused is verified again when it or the clock changes, and otherwise later and later. */
const REFUSED_FIRST_MS = 30_000;
const REFUSED_MAX_MS = 3_600_000;

/** Faults of the metadata itself, at the time it is. */
const refusals: ReadonlySet<string> = new Set([
  'clock_skew',
  'metadata_expired',
  'metadata_invalid',
  'metadata_rolled_back',
  'signature_invalid',
  'too_large',
]);

export class VerifiedVersions implements TrustedVersions {
  readonly #props: VerifiedVersionsProps;
  readonly #mirror: MetadataMirror;
  readonly #timeoutMs: number;
  #verified: Verified | undefined;
  readonly #queue = new SerialQueue();
  readonly #backoff: RetryBackoff;
  #refusal: unknown;

  constructor(props: VerifiedVersionsProps) {
    this.#props = props;
    this.#mirror = new MetadataMirror(props.clock);
    this.#timeoutMs = props.timeoutMs ?? TIMEOUT_MS;
    const { clock } = props;
    this.#backoff = new RetryBackoff({ clock, firstMs: REFUSED_FIRST_MS, maxMs: REFUSED_MAX_MS });
  }

  /** A message on a trust topic. False when it was refused: an unknown topic, or too large. */
  onTrust(role: string, payload: Uint8Array): boolean {
    return this.#mirror.receive(role, payload);
  }

  /** The connection is lost: the next one brings everything anew. */
  onDisconnected(): void {
    this.#mirror.clear();
  }

  async lookUp(model: string, version: string): Promise<TrustedVersion> {
    return this.#queue.run(async () => {
      const path = manifestTarget(model, version);
      const verified = await this.#upToDate();
      let target = await verified.update.target(path);
      if (!target) {
        // Retained messages come in no order: the desired state can be here before the metadata that names its version.
        if (await this.#newerThan(verified.revision, this.#timeoutMs / 3)) {
          target = await (await this.#upToDate()).update.target(path);
        }
      }
      if (!target) {
        throw new AppError(
          'version_unknown',
          `Cannot install ${model} ${version}: the verified metadata contains no such version.`,
        );
      }
      const signed = readVersionTarget(target);
      return {
        model,
        version,
        manifestSha256: signed.manifestSha256,
        manifestBytes: signed.manifestBytes,
        ...(signed.withdrawn ? { withdrawnReason: signed.withdrawn.reason } : {}),
      };
    });
  }

  async directorKeys(): Promise<ReadonlyMap<string, string>> {
    return this.#queue.run(async () => {
      const stored = directorMap((await this.#props.files.load()).director);
      if (stored && !(await this.#mirror.waitFor(() => this.#mirror.file('timestamp'), OFFLINE_WAIT_MS))) {
        return stored;
      }
      try {
        return (await this.#upToDate()).director;
      } catch (error) {
        if (!stored) throw error;
        this.#props.logger.warn({ err: error }, 'director keys come from the stored trust metadata');
        return stored;
      }
    });
  }

  async storedDirectorKeys(): Promise<ReadonlyMap<string, string>> {
    return directorMap((await this.#props.files.load()).director) ?? new Map();
  }

  /**
   * The verified metadata of what the mirror holds now; verified again only when something changed or expired. What was
   * refused is refused again without the work, as long as nothing speaks for another end.
   */
  async #upToDate(): Promise<Verified> {
    if (!this.#backoff.mayPass(this.#mirror.revision)) throw this.#refusal;
    try {
      const verified = await this.#verifiedNow();
      this.#backoff.clear();
      return verified;
    } catch (cause) {
      const error = await this.#namedFault(cause);
      // What has not arrived, or a full disk, says nothing about the metadata.
      if (isAppError(error) && refusals.has(error.code)) {
        this.#refusal = error;
        this.#backoff.failed(this.#mirror.revision);
      }
      throw error;
    }
  }

  /** `clock_skew` for metadata that is expired by this clock alone: by the hub's clock all that it sent is valid. */
  async #namedFault(error: unknown): Promise<unknown> {
    const { hubTime, clock } = this.#props;
    if (!isAppError(error, 'metadata_expired')) return error;
    const hubMs = await hubTime?.();
    const nowMs = clock.now();
    if (hubMs === undefined || nowMs - hubMs < clockToleranceMs) return error;
    const isValid = trustRoles.every((role) => (expiryOf(this.#mirror.file(role)) ?? hubMs + 1) > hubMs);
    if (!isValid) return error;
    return new AppError(
      'clock_skew',
      `${error.message} This machine's clock is ${comparisonText(hubMs, nowMs)}, by which the metadata is valid. Set this machine's clock.`,
      { cause: error },
    );
  }

  async #verifiedNow(): Promise<Verified> {
    const { floor, withFreeSpace = withoutReserve } = this.#props;
    if (
      this.#verified?.revision === this.#mirror.revision &&
      floor.now() < this.#verified.update.expiresAtMs
    ) {
      return this.#verified;
    }
    for (let attempt = 1; ; attempt += 1) {
      const { revision } = this.#mirror;
      try {
        this.#verified = await withFreeSpace(() => this.#verify(revision));
        return this.#verified;
      } catch (error) {
        if (attempt >= TRIES || !(await this.#changedSince(revision, error))) throw error;
      }
    }
  }

  /** Whether files came that may put it right: now, or soon when a publication has arrived in part. */
  async #changedSince(revision: number, error: unknown): Promise<boolean> {
    const partly = isAppError(error, 'trust_unavailable') && error.details?.['superseded'] === true;
    return (await this.#newerThan(revision, partly ? this.#timeoutMs : 0)) !== undefined;
  }

  #newerThan(revision: number, timeoutMs: number): Promise<true | undefined> {
    return this.#mirror.waitFor(() => (this.#mirror.revision === revision ? undefined : true), timeoutMs);
  }

  async #verify(revision: number): Promise<Verified> {
    const { files } = this.#props;
    const before = await this.#loadable();
    let director: string | undefined;
    const { after, result } = await files.inScratch(before, async (folder) => {
      const update = new TrustedUpdate({
        folder,
        mirror: this.#mirror,
        nowMs: this.#timeToJudgeAt(before),
        timeoutMs: this.#timeoutMs,
      });
      await update.run();
      director = await this.#checkedDirector(update, before.director);
      return update;
    });
    // Each file in `after` was verified on its own: keeping a newer root or timestamp of a failed run is what stops a replay.
    const set: VerifiedSet = director === undefined ? after : { ...after, director };
    if (JSON.stringify(set) !== JSON.stringify(before)) await files.save(set);
    if (result.status === 'rejected') throw result.reason;
    await this.#followClock(result.value, before, after);
    return { revision, update: result.value, director: directorMap(director) ?? new Map() };
  }

  /** The stored set, or the pinned root alone when the stored root does not load. Throws `trust_root_lost`. */
  async #loadable(): Promise<VerifiedSet> {
    const { files, logger, floor } = this.#props;
    const stored = await files.load();
    const { result } = await files.inScratch(stored, async (folder) => {
      new TrustedUpdate({ folder, mirror: this.#mirror, nowMs: floor.now(), timeoutMs: 0 });
    });
    if (result.status === 'fulfilled') return stored;
    const pinned = await files.pinned();
    if (pinned.root === stored.root) throw trustRootLost(result.reason);
    logger.warn(
      { err: result.reason },
      'stored trust metadata could not be loaded; starting again from the pinned root',
    );
    return pinned;
  }

  /** The director file whose digest the verified targets name: the one on the hub, or the stored one. */
  async #checkedDirector(update: TrustedUpdate, stored: string | undefined): Promise<string> {
    const target = await update.target(directorTarget);
    if (!target) {
      throw new AppError(
        'metadata_invalid',
        `Cannot trust the hub's metadata: it does not contain "${directorTarget}".`,
      );
    }
    if (stored !== undefined && fitsTarget(target, Buffer.from(stored))) return stored;
    const fitting = (): Uint8Array | undefined => {
      const file = this.#mirror.file('director');
      return file && fitsTarget(target, file) ? file : undefined;
    };
    const file = await this.#mirror.waitFor(fitting, this.#timeoutMs);
    if (!file && !this.#mirror.file('director')) {
      throw new AppError(
        'trust_unavailable',
        `Cannot verify versions: the device has not received "${directorTarget}" from the hub.`,
      );
    }
    if (!file) {
      throw new AppError(
        'signature_invalid',
        `Cannot trust the hub's director keys: "${directorTarget}" does not match the digest in the signed targets metadata.`,
      );
    }
    parseDirectorKeys(file);
    return Buffer.from(file).toString('utf8');
  }

  /**
   * A timestamp newer than the stored one may say an earlier time than the floor: the hub's clock was ahead and was set back. It is judged at its
   * own time then, or every file would count as expired until the wrong time has come. So is the stored one itself: the agent may have
   * ended after it was stored and before the floor followed it. What is read here is not verified yet, but it
   * counts for nothing unless its signature holds; and the time is never earlier than the system clock.
   */
  #timeToJudgeAt(before: VerifiedSet): number {
    const { floor } = this.#props;
    const file = this.#mirror.file('timestamp');
    const coming = timestampOf(file);
    const stored = timestampOf(before.timestamp);
    const isStored = file !== undefined && Buffer.from(file).toString('utf8') === before.timestamp;
    const isNewest = coming && stored && (coming.version > stored.version || isStored);
    return isNewest && coming.issuedMs !== undefined ? floor.timeOfNewer(coming.issuedMs) : floor.now();
  }

  /**
   * The hub's time proves that it is at least that late; that of the newest timestamp replaces those of older ones. A time past the
   * expiry of what was just verified proves nothing and is left out: a stolen timestamp key must not put the device's
   * clock so far ahead that nothing is ever valid.
   */
  async #followClock(update: TrustedUpdate, before: VerifiedSet, after: VerifiedSet): Promise<void> {
    const issued = update.issuedAtMs;
    if (issued === undefined || issued >= update.expiresAtMs) return;
    const { floor } = this.#props;
    const stored = timestampOf(before.timestamp);
    const isStored = stored !== undefined && after.timestamp === before.timestamp;
    const isNewer = stored !== undefined && (update.timestampVersion ?? 0) > stored.version;
    if (isNewer || isStored) await floor.follow(issued);
    else await floor.raise(issued);
  }
}

/** Undefined when there is no such file, or it cannot be read. */
function expiryOf(file: Uint8Array | undefined): number | undefined {
  try {
    return file && roleExpiry(Buffer.from(file).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Version and time that a timestamp file claims; undefined when there is none or it cannot be read. */
function timestampOf(
  file: Uint8Array | string | undefined,
): { readonly version: number; readonly issuedMs: number | undefined } | undefined {
  if (file === undefined) return undefined;
  try {
    const { version, issued } = JSON.parse(Buffer.from(file).toString('utf8')).signed;
    if (!Number.isSafeInteger(version)) return undefined;
    const ms = typeof issued === 'string' ? Date.parse(issued) : Number.NaN;
    return { version, issuedMs: Number.isNaN(ms) ? undefined : ms };
  } catch {
    return undefined;
  }
}

function directorMap(file: string | undefined): ReadonlyMap<string, string> | undefined {
  if (file === undefined) return undefined;
  try {
    const { keys } = parseDirectorKeys(Buffer.from(file));
    return new Map(keys.map((key) => [key.keyid, key.publicKeyPem]));
  } catch (error) {
    if (isAppError(error)) return undefined;
    throw error;
  }
}
