/** What the hub stands on: the data folder, checked and locked, with its database, keys and blobs. Part of the composition root (hub.ts). */
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { makePrivateFolder } from '../platform/atomic-file.ts';
import { lockFolder } from '../platform/folder-lock.ts';
import { programVersion } from '../platform/installation.ts';
import { addLogMetric } from '../platform/log-metric.ts';
import type { Logger } from '../platform/logger.ts';
import { addProcessMetrics } from '../platform/process-metrics.ts';
import type { LastingParts } from '../platform/service-manager.ts';
import type { Clock, Random } from '../shared/base/clock.ts';
import { limits } from '../shared/base/limits.ts';
import { AdminTokenFile } from './access/admin-token-file.ts';
import { TokenService } from './access/token-service.ts';
import { TokenStore } from './access/token-store.ts';
import { readReceivers } from './alerts/receiver-file.ts';
import { AuditCheckpoints } from './audit/audit-checkpoint.ts';
import { AuditHeads } from './audit/audit-head.ts';
import { AuditLog } from './audit/audit-log.ts';
import { AuditVerification } from './audit/audit-verification.ts';
import { requireRestored } from './backup/restore-record.ts';
import { publicHosts, restHost } from './config/address-options.ts';
import type { HubOptions } from './config/options-schema.ts';
import { findDamage } from './data-folder/database-damage.ts';
import { blobsFolder, databaseFile } from './data-folder/inventory.ts';
import { InventoryCheck } from './data-folder/inventory-check.ts';
import { InventoryStore } from './data-folder/inventory-store.ts';
import { addStorageMetrics } from './data-folder/storage-metrics.ts';
import { StorageWatch } from './data-folder/storage-watch.ts';
import { makeShrinkable } from './data-folder/unused-pages.ts';
import { tryWrite } from './data-folder/write-probe.ts';
import { type Database, openDatabase } from './db/database.ts';
import { Readiness } from './http/readiness.ts';
import { RestIdentity } from './http/rest-identity.ts';
import { IdempotentRequestStore } from './idempotency/idempotent-request-store.ts';
import { IdempotentRequests } from './idempotency/idempotent-requests.ts';
import { ContentStore } from './models/content-store.ts';
import { LostBlobs } from './models/lost-blobs.ts';
import { ModelStore } from './models/model-store.ts';
import { Authority } from './pki/authority.ts';
import { readOwnCertificate } from './pki/own-certificate.ts';
import { SecurityEvents } from './security/security-events.ts';
import { OnlineKeys } from './signing/online-keys.ts';
import { BlobLedger } from './transfer/blob-ledger.ts';
import { BlobLedgerStore } from './transfer/blob-ledger-store.ts';
import { DiskBlobStore } from './transfer/disk-blob-store.ts';
import { HotBlobStore } from './transfer/hot-blob-store.ts';

export interface HubEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How many log lines nobody took. */
  readonly logLost?: () => number;
  /** Learns of parts that end before the hub does. */
  readonly lasting?: LastingParts;
}

export type Closers = (() => Promise<void> | void)[];

export type Foundation = Awaited<ReturnType<typeof layFoundation>>;

/** What is on the disk: folder, lock, database, keys. And what every part uses. */
export async function layFoundation(
  options: HubOptions,
  { clock, logLost, logger }: HubEnvironment,
  closers: Closers,
  acceptLoss: boolean,
) {
  // Before anything is made: a fault in the file is one of the command.
  const alertReceivers = await readReceivers(options.alertReceivers);
  await makePrivateFolder(options.data);
  const lock = lockFolder(options.data);
  closers.push(() => lock.release());
  await requireRestored(options.data);
  const inventory = await InventoryCheck.begin({ folder: options.data, acceptLoss });
  // Is called for failures from the first statement on; what it writes with is there by the time it does.
  const storage = new StorageWatch({
    tryWrite: () => tryWrite(options.data, database, clock.now()),
    findDamage: (signal) => findDamage(join(options.data, databaseFile), signal),
    audit: { append: (event) => audit.append(event) },
    clock,
    logger: logger.child({ part: 'storage' }),
  });
  const database: Database = await openDatabase(join(options.data, databaseFile), { onError: storage.see });
  closers.push(() => database.destroy());
  await makeShrinkable(database, logger.child({ part: 'storage' }));

  const idempotency = new IdempotentRequests({ store: new IdempotentRequestStore(database), clock });
  const audit = new AuditLog({
    database,
    clock,
    onAppend: ({ target }, tx) => idempotency.noteEffect(target, tx),
  });
  const disk = new DiskBlobStore(
    join(options.data, blobsFolder),
    (digest) => void lostBlobs.foundBad(digest),
  );
  const blobs = new HotBlobStore({ store: disk, bytesMax: limits.hotBlobBytesMax });
  const content = new ContentStore(database);
  const ledger = new BlobLedger({
    store: new BlobLedgerStore(database),
    blobs,
    clock,
    namedBy: (digests, tx) => content.namedBy(digests, tx),
    quotas: options,
  });
  const lostBlobs = new LostBlobs({
    store: new ModelStore(database),
    blobs: disk,
    clock,
    logger: logger.child({ part: 'models' }),
  });
  const inventoryStore = new InventoryStore(database);
  const missing = await lostBlobs.find();
  await inventory.requireFiles(
    inventoryStore,
    [...missing.versions].map(([version, count]) => ({
      path: `${blobsFolder}/`,
      reason: `lacks ${count} of the chunks of ${version}`,
    })),
  );
  await lostBlobs.accept(missing.digests);
  const authority = await Authority.open(join(options.data, 'pki'), {
    clock,
    advertise: [...options.advertise, ...publicHosts(options)],
  });
  const restIdentity = new RestIdentity({
    own: await readOwnCertificate(options, { host: restHost(options), now: clock.now() }),
    hubs: () => ({ key: authority.serverKeyPem, cert: authority.serverCertPem }),
    logger: logger.child({ part: 'pki' }),
  });
  const keys = await OnlineKeys.open(join(options.data, 'keys'));
  const { snapshot, timestamp, director } = keys.publicKeys;
  const auditKey = { keyid: director.keyid, privateKey: keys.director };
  const auditCheckpoints = new AuditCheckpoints(auditKey);
  const auditHeads = new AuditHeads({
    database,
    checkpoints: auditCheckpoints,
    key: auditKey,
    folder: options.data,
    appendTo: options.auditHeadFile,
    clock,
    logger: logger.child({ part: 'audit' }),
  });
  const identities = new Map([
    ['pki/ca.pem', authority.caSha256],
    ['keys/snapshot.pem', snapshot.keyid],
    ['keys/timestamp.pem', timestamp.keyid],
    ['keys/director.pem', director.keyid],
  ] as const);
  await inventory.requireIdentities(identities, authority.caPem, inventoryStore);

  const security = new SecurityEvents({
    append: (events) => audit.appendAll(events),
    clock,
    logger: logger.child({ part: 'security' }),
  });
  closers.push(() => security.close());

  const adminTokenFile = new AdminTokenFile({
    folder: options.data,
    logger: logger.child({ part: 'access' }),
  });
  const tokens = new TokenService({
    store: new TokenStore(database),
    audit,
    clock,
    onUsed: (name) => adminTokenFile.used(name),
  });
  await adminTokenFile.load((secret) => tokens.holderOf(secret));

  const metrics = new Registry();
  const version = await programVersion();
  addProcessMetrics(metrics, version);
  if (logLost) addLogMetric(metrics, logLost);
  const readiness = new Readiness();
  readiness.add('storage', () => storage.requireSound());
  addStorageMetrics(metrics, storage, options.data);
  if (inventory.lost.length > 0) {
    const details = { count: inventory.lost.length, lacks: inventory.lost.slice(0, limits.lacksNamedMax) };
    logger.warn(details, 'the hub started although parts of its data folder are missing');
    await audit.append({ actor: 'hub', action: 'loss.accepted', target: 'data-folder', details });
    // The operator has said that the key it was signed with is lost: nobody can verify it any more.
    if (inventory.lost.some(({ path }) => path === 'keys/director.pem'))
      await auditCheckpoints.signAgain(database, audit);
  }
  if (acceptLoss) await auditHeads.acceptLoss(audit);
  await inventory.accept(identities, inventoryStore);
  return {
    database,
    metrics,
    readiness,
    storage,
    audit,
    idempotency,
    auditCheckpoints,
    auditHeads,
    auditVerification: new AuditVerification({ database, checkpoints: auditCheckpoints, heads: auditHeads }),
    security,
    tokens,
    adminTokenFile,
    authority,
    restIdentity,
    keys,
    blobs,
    ledger,
    version,
    alertReceivers,
  };
}
