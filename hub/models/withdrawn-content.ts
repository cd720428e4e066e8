/**
 * The files of versions that were withdrawn long enough ago leave, unless somebody holds on to the version: a device that runs
 * or keeps it by its last word or is to run it, a rollout that is not over. What the version was stays: its row with the manifest,
 * the publisher's signed word that it is withdrawn, the audit log. Its blobs then follow as ones that no version names, each
 * unless another version names it.
 *
 * Killed between two steps, `content_leaving` says which version to go on with.
 */
import type { Transaction } from 'kysely';
import { formatDuration } from '../../shared/base/duration.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Tables } from '../db/tables.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { BlobLedger } from '../transfer/blob-ledger.ts';
import type { ContentStore, WithdrawnVersion } from './content-store.ts';

/** Somebody who may hold on to versions. */
export interface VersionHolders {
  /** Who holds on to it, such as `device/x`, or undefined. Inside `tx` nobody can come to hold it until that ends. */
  holderOf(version: WithdrawnVersion, tx?: Transaction<Tables>): Promise<string | undefined>;
}

export interface WithdrawnContentProps {
  readonly store: ContentStore;
  readonly ledger: Pick<BlobLedger, 'markUnreferenced'>;
  /** Asked before, and once more when the files are about to leave: what others decide meanwhile they see. */
  readonly deciders: readonly VersionHolders[];
  /** Asked before: a device does not come to run what nobody wants on it. */
  readonly reporters: readonly VersionHolders[];
  readonly audit: Pick<AuditLog, 'append'>;
  readonly keptMs: number;
  /** Is called for a version whose files are gone. */
  readonly onLeft: (version: WithdrawnVersion) => void;
}

const CHUNKS_PER_PASS = 500;
const VERSIONS_PER_PAGE = 20;

export class WithdrawnContent implements Expirable {
  readonly kind = 'withdrawn-versions';
  readonly rule: string;
  readonly #props: WithdrawnContentProps;
  /** Where this round over the versions is; each is looked at once in a round. */
  #after: WithdrawnVersion | undefined;

  constructor(props: WithdrawnContentProps) {
    this.#props = props;
    this.rule = `withdrawn ${formatDuration(props.keptMs)} ago (--withdrawn-kept) and held by no device or rollout; its files follow as unreferenced blobs`;
  }

  async find(now: number, limit: number): Promise<Found> {
    const { store, keptMs } = this.#props;
    let found = { count: 0, bytes: 0, isMore: false, oldestAt: undefined as number | undefined };
    let after: WithdrawnVersion | undefined;
    for (let looked = 0; looked < limit; looked += VERSIONS_PER_PAGE) {
      const page = await store.withdrawn(now - keptMs, VERSIONS_PER_PAGE, after);
      for (const version of page) {
        if ((await this.holderOf(version)) !== undefined) continue;
        found = {
          ...found,
          count: found.count + 1,
          bytes: found.bytes + (await store.ownBytes(version.manifestSha256)),
          oldestAt: found.oldestAt ?? version.knownAt,
        };
      }
      after = page.at(-1);
      if (page.length < VERSIONS_PER_PAGE) return found;
    }
    return { ...found, isMore: true };
  }

  async removeSome(now: number): Promise<Removed> {
    const { store, keptMs } = this.#props;
    const leaving = await store.leaving();
    if (leaving !== undefined) {
      await this.#takeChunks(leaving, now);
      return { count: 0, bytes: 0, isMore: true };
    }
    const page = await store.withdrawn(now - keptMs, VERSIONS_PER_PAGE, this.#after);
    for (const version of page) {
      this.#after = version;
      const bytes = await this.#startLeaving(version, now);
      if (bytes !== undefined) return { count: 1, bytes, isMore: true };
    }
    const isMore = page.length === VERSIONS_PER_PAGE;
    if (!isMore) this.#after = undefined;
    return { count: 0, bytes: 0, isMore };
  }

  /** Who holds on to the version, or undefined. */
  async holderOf(version: WithdrawnVersion): Promise<string | undefined> {
    const { deciders, reporters } = this.#props;
    for (const holders of [...deciders, ...reporters]) {
      const holder = await holders.holderOf(version);
      if (holder !== undefined) return holder;
    }
    return undefined;
  }

  /** Bytes that only this version names; undefined when somebody holds on to it. */
  async #startLeaving(version: WithdrawnVersion, now: number): Promise<number | undefined> {
    const { store, deciders, audit, onLeft } = this.#props;
    if ((await this.holderOf(version)) !== undefined) return undefined;
    const { model, version: name, manifestSha256 } = version;
    const bytes = await store.ownBytes(manifestSha256);
    const isLeaving = await store.transaction(async (tx) => {
      for (const holders of deciders) if ((await holders.holderOf(version, tx)) !== undefined) return false;
      await store.startLeaving(manifestSha256, now, tx);
      const target = `model/${model}@${name}`;
      const details = { manifestSha256, bytes };
      await audit.append({ actor: 'hub', action: 'version.content_left', target, details }, tx);
      return true;
    });
    if (!isLeaving) return undefined;
    onLeft(version);
    return bytes;
  }

  async #takeChunks(manifestSha256: string, now: number): Promise<void> {
    const { store, ledger } = this.#props;
    await store.transaction(async (tx) => {
      const taken = await store.takeChunks(manifestSha256, CHUNKS_PER_PASS, tx);
      const isLast = taken.length < CHUNKS_PER_PASS;
      if (isLast) await store.endLeaving(manifestSha256, tx);
      const freed = isLast ? [...taken, manifestSha256] : taken;
      const named = await store.namedBy(freed, tx);
      const unreferenced = freed.filter((digest) => !named.has(digest));
      await ledger.markUnreferenced(unreferenced, now, tx);
      await store.forgetLost(unreferenced, tx);
    });
  }
}
