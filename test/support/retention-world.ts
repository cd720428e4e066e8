/**
 * What leaves a hub, on a real database and disk, with everything that decides about it: models, ledger of blobs, devices' reports,
 * desired state, rollouts. It can be killed at any of its steps and goes on with `revive`. Who signs is left out.
 */
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { AuditLog } from '../../hub/audit/audit-log.ts';
import { type HubOptions, hubOptionTable } from '../../hub/config/options-schema.ts';
import { type Database, openDatabase } from '../../hub/db/database.ts';
import { DeviceHolders } from '../../hub/devices/device-holders.ts';
import { DeviceStore } from '../../hub/devices/device-store.ts';
import { ContentStore } from '../../hub/models/content-store.ts';
import { ModelService } from '../../hub/models/model-service.ts';
import { WithdrawnContent } from '../../hub/models/withdrawn-content.ts';
import { type KindReport, Retention } from '../../hub/retention/retention.ts';
import { DesiredStore } from '../../hub/rollout/desired-store.ts';
import { RolloutStore } from '../../hub/rollout/rollout-store.ts';
import { VersionHolders } from '../../hub/rollout/version-holders.ts';
import { BlobLedger } from '../../hub/transfer/blob-ledger.ts';
import { BlobLedgerStore } from '../../hub/transfer/blob-ledger-store.ts';
import { BlobScan } from '../../hub/transfer/blob-scan.ts';
import { DiskBlobStore } from '../../hub/transfer/disk-blob-store.ts';
import { UnreferencedBlobs } from '../../hub/transfer/unreferenced-blobs.ts';
import { resolveOptions } from '../../platform/option-table.ts';
import { manifestTarget } from '../../shared/manifest/model-manifest.ts';
import type { PublisherChange } from '../../shared/tuf/published-targets.ts';
import { deviceRow } from './device-row.ts';
import { ManualClock } from './manual-clock.ts';
import type { PackedVersion } from './packed-version.ts';
import { tempFolder } from './temp-folder.ts';

const admin = { name: 'admin', role: 'admin', address: '127.0.0.1' } as const;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export class RetentionWorld {
  readonly folder: string;
  readonly clock = new ManualClock();
  readonly options: HubOptions;
  database!: Database;
  disk!: DiskBlobStore;
  ledger!: BlobLedger;
  models!: ModelService;
  retention!: Retention;
  audit!: AuditLog;
  /** Called before and after each transaction and each change of the disk; once it answers true nothing goes on any more. */
  killAt: () => boolean = () => false;
  #isDead = false;

  private constructor(folder: string, options: Partial<HubOptions>) {
    this.folder = folder;
    this.options = { ...resolveOptions(hubOptionTable, []), ...options };
  }

  static async start(options: Partial<HubOptions> = {}): Promise<RetentionWorld> {
    const world = new RetentionWorld(await tempFolder(), options);
    await world.revive();
    return world;
  }

  /** Another hub on a copy of the folder as it is now. */
  async copy(): Promise<RetentionWorld> {
    const world = new RetentionWorld(await tempFolder(), this.options);
    await cp(this.folder, world.folder, { recursive: true });
    world.clock.advance(this.clock.now() - world.clock.now());
    await world.revive();
    return world;
  }

  /** What the next start of a hub finds after it was killed, or stopped. */
  async revive(): Promise<void> {
    const { folder, clock, options } = this;
    this.killAt = () => false;
    // What was under way when it was killed waits for ever.
    let isDead = false;
    const step = async () => {
      if (isDead) return new Promise<void>(() => undefined);
      isDead = this.killAt();
      this.#isDead ||= isDead;
      if (isDead) return new Promise<void>(() => undefined);
    };
    this.#isDead = false;
    const database = await openDatabase(join(folder, 'hub.db'));
    onTestFinished(() => database.destroy());
    const disk = new DiskBlobStore(join(folder, 'blobs'));
    for (const act of ['put', 'delete'] as const) stepping(disk, act, step);
    const blobRows = stepping(new BlobLedgerStore(database), 'transaction', step);
    const content = stepping(new ContentStore(database), 'transaction', step);
    const audit = new AuditLog({ database, clock });
    const ledger = new BlobLedger({
      store: blobRows,
      blobs: disk,
      clock,
      namedBy: (digests, tx) => content.namedBy(digests, tx),
      quotas: options,
    });
    const publish = async (
      metadata: Uint8Array,
      apply: Parameters<ConstructorParameters<typeof ModelService>[0]['trust']['publish']>[1],
    ) => {
      await step();
      await database
        .transaction()
        .execute((tx) => apply(tx, JSON.parse(String(metadata)) as PublisherChange));
      await step();
    };
    const models = new ModelService({ database, blobs: disk, ledger, trust: { publish }, audit, clock });
    const keptMs = options.uploadKeptMs;
    const retention = new Retention({
      kinds: [
        new WithdrawnContent({
          store: content,
          ledger,
          deciders: [
            new VersionHolders({ desired: new DesiredStore(database), rollouts: new RolloutStore(database) }),
          ],
          reporters: [new DeviceHolders(new DeviceStore(database))],
          audit,
          keptMs: options.withdrawnKeptMs,
          onLeft: (version) => models.contentLeft(version),
        }),
        new UnreferencedBlobs({ ledger, keptMs }),
        new BlobScan({ blobs: disk, store: blobRows, ledger, clock, keptMs }),
      ],
      audit,
      clock,
      logger: pino({ level: 'silent' }),
    });
    Object.assign(this, { database, disk, ledger, models, retention, audit });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** As `models publish` does it: asks, uploads, publishes. Returns how many chunks were sent. */
  async publish(packed: PackedVersion, between: () => Promise<unknown> = async () => undefined) {
    const sent = await this.upload(packed);
    await between();
    await this.announce(packed);
    return sent;
  }

  async upload({ blobs, manifestSha256 }: PackedVersion, token = 'admin'): Promise<number> {
    const chunks = [...blobs.keys()].filter((digest) => digest !== manifestSha256);
    const missing = await this.ledger.missing(chunks);
    for (const digest of missing) await this.ledger.put(digest, blobs.get(digest)!, token);
    return missing.length;
  }

  async announce({ model, version, release, manifestSha256, manifestBytes }: PackedVersion): Promise<void> {
    const target = manifestTarget(model, version);
    const change = { target, release, manifestSha256, manifestBytes: manifestBytes.byteLength };
    const metadata = Buffer.from(JSON.stringify({ kind: 'added', version: change }));
    await this.models.publish({ model, manifest: manifestBytes, metadata, breaking: true }, admin);
  }

  async withdraw({ model, version, release, manifestSha256 }: PackedVersion): Promise<void> {
    const reason = 'bad';
    const at = new Date(this.clock.now()).toISOString();
    const change = {
      target: manifestTarget(model, version),
      release,
      manifestSha256,
      withdrawn: { at, reason },
    };
    const metadata = Buffer.from(JSON.stringify({ kind: 'withdrawn', version: change }));
    await this.models.withdraw({ model, version, reason }, metadata, admin);
  }

  /** The device last said that it runs the first and keeps the others; undefined: it has said nothing. */
  async report(id: string, versions: readonly PackedVersion[] | undefined): Promise<void> {
    const installed = (versions ?? []).map(({ version, manifestSha256, release }) => ({
      version,
      manifest: manifestSha256,
      release,
    }));
    const model = versions?.[0]?.model ?? 'demo';
    const [active, ...previous] = installed;
    const reported =
      versions === undefined
        ? null
        : JSON.stringify({ models: active ? [{ model, active, previous, quarantined: [] }] : [] });
    const row = { ...deviceRow(id), enrolled_at: this.clock.now(), reported };
    await this.database
      .insertInto('device')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ reported }))
      .execute();
  }

  /** The hub wants the version on the device, or no version of its model. */
  async want(id: string, packed: PackedVersion, isWanted: boolean): Promise<void> {
    const { model, version, release, manifestSha256 } = packed;
    await this.database.deleteFrom('desired_model').where('device_id', '=', id).execute();
    if (!isWanted) return;
    await this.database
      .insertInto('desired_model')
      .values({
        device_id: id,
        model,
        version,
        release,
        manifest_sha256: manifestSha256,
        rollout_id: null,
        trial: '{}',
        set_at: 0,
      })
      .execute();
  }

  /** A rollout of the version in this status. */
  async rollout({ model, version }: PackedVersion, status: string): Promise<void> {
    const id = `r-${model}-${version}`;
    const row = { id, model, version, plan: '{}', state: '{}', status };
    await this.database
      .insertInto('rollout')
      .values({ ...row, created_at: 0, created_by: 'test', updated_at: 0 })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ status }))
      .execute();
  }

  /** Time passes by the clock on the wall alone: the disk is not looked through again, which takes most of the time of a test. */
  pass(ms: number): void {
    this.clock.set(this.clock.now() + ms);
  }

  collect(): Promise<KindReport[]> {
    return this.retention.collect(admin);
  }

  /** Everything that may leave does, however many graces it takes. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      this.pass(this.options.withdrawnKeptMs + this.options.uploadKeptMs + 1);
      await this.collect();
    }
  }

  /** Names of all files of blobs. */
  async files(): Promise<string[]> {
    const entries = await readdir(join(this.folder, 'blobs'), { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    return entries
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort();
  }

  /** Versions whose files have not left, with all that they name. */
  async keptVersions(packed: readonly PackedVersion[]): Promise<PackedVersion[]> {
    const rows = await this.database
      .selectFrom('version')
      .select('manifest_sha256')
      .where('content_left_at', 'is', null)
      .execute();
    const kept = new Set(rows.map((row) => row.manifest_sha256));
    return packed.filter(({ manifestSha256 }) => kept.has(manifestSha256));
  }

  /** What is wrong: a kept version without one of its files, sums that are not those of the rows. */
  async faults(packed: readonly PackedVersion[]): Promise<string[]> {
    const files = new Set(await this.files());
    const faults: string[] = [];
    for (const { model, version, blobs } of await this.keptVersions(packed)) {
      for (const digest of blobs.keys())
        if (!files.has(digest)) faults.push(`${model} ${version} lacks ${digest.slice(0, 8)}`);
    }
    const rows = await this.database.selectFrom('blob').selectAll().execute();
    const sums = new Map<string, number>();
    for (const { unreferenced_since: since, uploaded_by: by, bytes } of rows) {
      const key = since === null ? 'named' : `by ${by}`;
      sums.set(key, (sums.get(key) ?? 0) + bytes);
    }
    const totals = new Map(
      (await this.ledger.totals()).map(({ isReferenced, uploadedBy, bytes }) => [
        isReferenced ? 'named' : `by ${uploadedBy}`,
        bytes,
      ]),
    );
    const text = (of: Map<string, number>) => JSON.stringify([...of].sort());
    if (text(sums) !== text(totals)) faults.push(`totals ${text(totals)} of rows ${text(sums)}`);
    return faults;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any method that answers with a promise.
function stepping<K extends string, T extends Record<K, (...args: any[]) => Promise<any>>>(
  target: T,
  act: K,
  step: () => Promise<void>,
): T {
  const original = target[act].bind(target);
  const stepped = async (...args: unknown[]) => {
    await step();
    const value = await original(...args);
    await step();
    return value;
  };
  return Object.assign(target, { [act]: stepped });
}
