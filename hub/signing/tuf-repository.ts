/**
 * The hub's part in trust. It keeps the signed files, checks those that publishers send, and signs snapshot and
 * timestamp over them with its online keys. What is published is durable before it is retained on the broker; actions run
 * one after another, so devices see them in order.
 */

import type { Metadata, Targets } from '@tufjs/models';
import type { Transaction } from 'kysely';
import type { Logger } from '../../platform/logger.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { SerialQueue } from '../../shared/base/serial-queue.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { directorTarget, parseDirectorKeys } from '../../shared/protocol/desired-state.ts';
import { topics } from '../../shared/protocol/topics.ts';
import { type TrustTopic, trustTopics } from '../../shared/protocol/trust-metadata.ts';
import {
  encodeMetadata,
  parseMetadata,
  requireSigned,
  signMetadata,
} from '../../shared/tuf/metadata-file.ts';
import {
  comparePublisher,
  type PublisherChange,
  requireSameTargets,
} from '../../shared/tuf/published-targets.ts';
import { lifetimeDays, makeSnapshot, makeTimestamp, publisherRole } from '../../shared/tuf/trust-roles.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Broker } from '../broker/broker.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { OnlineKeys } from './online-keys.ts';
import { checkTrustBundle, publisherDelegation, requireFresh, type TrustBundle } from './trust-bundle.ts';
import {
  readPublisherBase,
  readRoots,
  readTrustFile,
  readTrustVersions,
  writePublisherBase,
  writeTrustFile,
} from './trust-store.ts';

export interface TufRepositoryProps {
  readonly database: Database;
  readonly broker: Pick<Broker, 'retain'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly keys: OnlineKeys;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RoleStatus {
  readonly role: string;
  readonly version: number;
  readonly expires: string;
}

/** What is to be stored together with new publisher metadata; it throws to refuse the whole. */
export type PublishWrite = (tx: Transaction<Tables>, change: PublisherChange) => Promise<void>;

const DAY_MS = 86_400_000;
const CLOCK_SLACK_MS = 60_000;
const signedRoles = ['root', 'targets', 'publisher', 'snapshot', 'timestamp'] as const;

export class TufRepository {
  readonly #props: TufRepositoryProps;
  readonly #turns = new SerialQueue();
  /** Read from files that take long to parse, once each. */
  readonly #status = new Map<string, RoleStatus>();

  constructor(props: TufRepositoryProps) {
    this.#props = props;
  }

  /** Takes on a trust root, once. Throws `trust_exists` and what `checkTrustBundle` throws. */
  async initialise(bundle: TrustBundle, actor: Actor): Promise<void> {
    await this.#turns.run(async () => {
      const { database, keys, clock, audit } = this.#props;
      const checked = checkTrustBundle(bundle, { keys, nowMs: clock.now() });
      await database.transaction().execute(async (tx) => {
        if (await readTrustFile(tx, 'root')) {
          throw new AppError('trust_exists', 'Cannot set up a trust root: the hub already has one.');
        }
        const addedAt = clock.now();
        for (const topic of ['root', 'targets', 'publisher'] as const) {
          await writeTrustFile(tx, topic, {
            version: checked[topic].signed.version,
            bytes: bundle[topic],
            addedAt,
          });
        }
        const version = checked.targets.signed.version;
        await writeTrustFile(tx, 'director', { version, bytes: bundle.director, addedAt });
        await this.#signSnapshot(tx);
        await audit.append(
          {
            ...auditActor(actor),
            action: 'trust.initialised',
            target: 'trust/root',
            details: { sha256: sha256(bundle.root) },
          },
          tx,
        );
      });
      await this.#retain();
    });
  }

  /**
   * Publishes publisher metadata that makes one change, together with what `write` stores. Throws
   * `trust_not_initialised`, `signature_invalid`, `metadata_stale`, `metadata_invalid`, `metadata_expired`, `too_large`,
   * and what `write` throws; then nothing has changed.
   */
  async publish(publisherBytes: Uint8Array, write: PublishWrite): Promise<void> {
    await this.#turns.run(async () => {
      const { database, clock } = this.#props;
      const next = parseMetadata('targets', publisherBytes, publisherRole);
      await database.transaction().execute(async (tx) => {
        const targets = await readTargets(tx, 'targets');
        requireSigned(targets, publisherRole, next);
        requireFresh(publisherRole, next, clock.now());
        const before = await readTargets(tx, 'publisher');
        const change = comparePublisher(before, next, await nextPublisherVersion(tx, before));
        requireDelegated(targets, change.version.target);
        await write(tx, change);
        await this.#takePublisher(tx, next, publisherBytes);
      });
      await this.#retain();
    });
  }

  /**
   * Takes publisher metadata that says the same and is signed anew: for longer, or above the versions that devices have seen
   * before the hub was set back. Throws `trust_not_initialised`, `signature_invalid`, `metadata_stale`, `metadata_invalid`,
   * `metadata_expired`, `too_large`.
   */
  async refreshPublisher(publisherBytes: Uint8Array, actor: Actor): Promise<void> {
    await this.#turns.run(async () => {
      const { database, clock, audit } = this.#props;
      const next = parseMetadata('targets', publisherBytes, publisherRole);
      await database.transaction().execute(async (tx) => {
        requireSigned(await readTargets(tx, 'targets'), publisherRole, next);
        requireFresh(publisherRole, next, clock.now());
        const before = await readTargets(tx, 'publisher');
        const highest = Math.max(await nextPublisherVersion(tx, before), clock.now());
        requireSameTargets(before, next, highest);
        await this.#takePublisher(tx, next, publisherBytes);
        await audit.append(
          {
            ...auditActor(actor),
            action: 'trust.publisher_refreshed',
            target: 'trust/publisher',
            details: { from: before.signed.version, to: next.signed.version },
          },
          tx,
        );
      });
      await this.#retain();
    });
  }

  /**
   * This hub was set back: devices have seen later files than it knows of. Snapshot and timestamp are signed with versions above
   * `atLeast`, and the publisher's next metadata will be above it too. Without a trust root there is nothing to do.
   */
  async catchUp(atLeast: number): Promise<void> {
    await this.#turns.run(async () => {
      await this.#props.database.transaction().execute(async (tx) => {
        if (!(await readTrustFile(tx, 'root'))) return;
        await writePublisherBase(tx, Math.max(await readPublisherBase(tx), atLeast));
        await this.#signSnapshot(tx, atLeast);
      });
    });
  }

  /** The version that the publisher's next metadata must have; undefined before `trust init`. */
  async nextPublisherVersion(): Promise<number | undefined> {
    return this.#props.database
      .transaction()
      .setAccessMode('read only')
      .execute(async (tx) => {
        if (!(await readTrustFile(tx, 'publisher'))) return undefined;
        return nextPublisherVersion(tx, await readTargets(tx, 'publisher'));
      });
  }

  /**
   * Signs snapshot and timestamp again where less than half of their life is left, or more than they have: then the clock was
   * ahead when they were signed. Returns whether anything was signed. */
  async renew(): Promise<boolean> {
    return this.#turns.run(async () => {
      const renewed = await this.#props.database.transaction().execute(async (tx) => {
        if (!(await readTrustFile(tx, 'root'))) return false;
        if (await this.#isDue(tx, 'snapshot')) await this.#signSnapshot(tx);
        else if (await this.#isDue(tx, 'timestamp')) await this.#signTimestamp(tx);
        else return false;
        return true;
      });
      if (renewed) await this.#retain();
      return renewed;
    });
  }

  /** At start: what the broker retains is made again from the database. Throws `key_unreadable` when keys were lost. */
  async republish(): Promise<void> {
    const root = await this.current('root');
    if (!root) return;
    const { roles } = parseMetadata('root', root).signed;
    const own = this.#props.keys.publicKeys;
    for (const name of ['snapshot', 'timestamp'] as const) {
      if (roles[name]?.keyIDs[0] !== own[name].keyid) throw keyLost(name, 'the one its trust root names');
    }
    const director = await this.current('director');
    if (director && !parseDirectorKeys(director).keys.some(({ keyid }) => keyid === own.director.keyid)) {
      throw keyLost('director', `one that its signed "${directorTarget}" names`);
    }
    if (!(await this.renew())) await this.#turns.run(() => this.#retain());
  }

  /** The root file a device pins at enrolment; undefined before `trust init`. */
  rootFile(): Promise<Uint8Array | undefined> {
    return this.current('root');
  }

  /** The current file of a topic. */
  async current(topic: TrustTopic): Promise<Uint8Array | undefined> {
    return (await readTrustFile(this.#props.database, topic))?.bytes;
  }

  /** Version and expiry of each role; empty before `trust init`. */
  async status(): Promise<RoleStatus[]> {
    const versions = await readTrustVersions(this.#props.database);
    for (const role of signedRoles) {
      if (this.#status.get(role)?.version === versions.get(role)) continue;
      const file = await this.current(role);
      if (!file) continue;
      const { signed } = parseMetadata(role === 'publisher' ? 'targets' : role, file, role);
      this.#status.set(role, { role, version: signed.version, expires: signed.expires });
    }
    return signedRoles.flatMap((role) => this.#status.get(role) ?? []);
  }

  async #isDue(tx: Transaction<Tables>, role: 'snapshot' | 'timestamp'): Promise<boolean> {
    const file = await readTrustFile(tx, role);
    if (!file) return true;
    const left = Date.parse(parseMetadata(role, file.bytes).signed.expires) - this.#props.clock.now();
    const lifeMs = lifetimeDays[role] * DAY_MS;
    return left < lifeMs / 2 || left > lifeMs + CLOCK_SLACK_MS;
  }

  async #takePublisher(tx: Transaction<Tables>, next: Metadata<Targets>, bytes: Uint8Array): Promise<void> {
    const { version } = next.signed;
    await writeTrustFile(tx, 'publisher', { version, bytes, addedAt: this.#props.clock.now() });
    await this.#signSnapshot(tx);
  }

  async #signSnapshot(tx: Transaction<Tables>, above = 0): Promise<void> {
    const { clock, keys } = this.#props;
    const targets = await readTrustFile(tx, 'targets');
    const publisher = await readTrustFile(tx, 'publisher');
    if (!targets || !publisher) throw notInitialised();
    const version = Math.max((await readTrustFile(tx, 'snapshot'))?.version ?? 0, above) + 1;
    const snapshot = makeSnapshot({ targets, publisher }, { version, nowMs: clock.now() });
    signMetadata(snapshot, [keys.snapshot]);
    await writeTrustFile(tx, 'snapshot', { version, bytes: encodeMetadata(snapshot), addedAt: clock.now() });
    await this.#signTimestamp(tx, above);
  }

  async #signTimestamp(tx: Transaction<Tables>, above = 0): Promise<void> {
    const { clock, keys } = this.#props;
    const snapshot = await readTrustFile(tx, 'snapshot');
    if (!snapshot) throw notInitialised();
    const version = Math.max((await readTrustFile(tx, 'timestamp'))?.version ?? 0, above) + 1;
    const timestamp = makeTimestamp(snapshot, { version, nowMs: clock.now() });
    signMetadata(timestamp, [keys.timestamp]);
    await writeTrustFile(tx, 'timestamp', {
      version,
      bytes: encodeMetadata(timestamp),
      addedAt: clock.now(),
    });
  }

  /** What is stored counts as published: a broker that cannot retain it now gets it at the next action or start. */
  async #retain(): Promise<void> {
    const { database, broker, logger } = this.#props;
    try {
      for (const topic of trustTopics) {
        const bytes =
          topic === 'root' ? await this.#rootChain() : (await readTrustFile(database, topic))?.bytes;
        if (bytes) await broker.retain(topics.trust(topic), bytes);
      }
    } catch (error) {
      logger.error({ err: error }, 'trust metadata could not be published on the broker');
    }
  }

  async #rootChain(): Promise<Uint8Array | undefined> {
    const roots = await readRoots(this.#props.database);
    if (!roots[0]) return undefined;
    const texts = roots.map((root) => Buffer.from(root.bytes).toString('utf8'));
    return Buffer.from(JSON.stringify({ v: 1, first: roots[0].version, roots: texts }));
  }
}

function keyLost(name: string, wanted: string): AppError {
  return new AppError(
    'key_unreadable',
    `Cannot sign for this fleet: the hub's ${name} key is not ${wanted}. Restore the folder "keys" of the data folder.`,
  );
}

async function readTargets(
  tx: Transaction<Tables>,
  topic: 'targets' | 'publisher',
): Promise<Metadata<Targets>> {
  const file = await readTrustFile(tx, topic);
  if (!file) throw notInitialised();
  return parseMetadata('targets', file.bytes, topic);
}

async function nextPublisherVersion(tx: Transaction<Tables>, current: Metadata<Targets>): Promise<number> {
  return Math.max(current.signed.version, await readPublisherBase(tx)) + 1;
}

function requireDelegated(targets: Metadata<Targets>, path: string): void {
  if (publisherDelegation(targets).isDelegatedPath(path)) return;
  throw new AppError(
    'signature_invalid',
    `Cannot accept publisher metadata: its key is not allowed to sign "${path}".`,
  );
}

export function notInitialised(): AppError {
  return new AppError('trust_not_initialised', 'Cannot do this: the hub has no trust root yet.');
}
