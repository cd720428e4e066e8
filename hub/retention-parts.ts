/** What leaves the hub, and when. Part of the composition root (hub.ts). */
import { TokenRetention } from './access/token-retention.ts';
import { TokenStore } from './access/token-store.ts';
import { AlertRetention } from './alerts/alert-retention.ts';
import { AlertStore } from './alerts/alert-store.ts';
import { DeliveryStore } from './alerts/delivery-store.ts';
import { AuditRetention } from './audit/audit-retention.ts';
import type { HubOptions } from './config/options-schema.ts';
import { UnusedPages } from './data-folder/unused-pages.ts';
import { DeviceHolders } from './devices/device-holders.ts';
import { DeviceRetention } from './devices/device-retention.ts';
import { DeviceStore } from './devices/device-store.ts';
import { EventRetention } from './devices/event-retention.ts';
import type { Foundation, HubEnvironment } from './foundation.ts';
import { IdempotentRequestStore } from './idempotency/idempotent-request-store.ts';
import { IdempotentRetention } from './idempotency/idempotent-retention.ts';
import { ContentStore } from './models/content-store.ts';
import type { ModelService } from './models/model-service.ts';
import { WithdrawnContent } from './models/withdrawn-content.ts';
import { JoinTokenRetention } from './pki/join-token-retention.ts';
import { JoinTokenStore } from './pki/join-token-store.ts';
import { Retention } from './retention/retention.ts';
import { addRetentionMetrics } from './retention/retention-metrics.ts';
import type { Director } from './rollout/director.ts';
import type { Leases } from './rollout/leases.ts';
import { RolloutHistoryStore } from './rollout/rollout-history-store.ts';
import { RolloutRetention } from './rollout/rollout-retention.ts';
import type { VersionHolders } from './rollout/version-holders.ts';
import { ActivityStore } from './telemetry/device-hours/activity-store.ts';
import { DeviceHourRetention } from './telemetry/device-hours/device-hour-retention.ts';
import { DeviceHourStore } from './telemetry/device-hours/device-hour-store.ts';
import { EvidenceRetention } from './telemetry/evidence-retention.ts';
import type { EvidenceStore } from './telemetry/evidence-store.ts';
import { RollupRetention } from './telemetry/rollups/rollup-retention.ts';
import { RollupStore } from './telemetry/rollups/rollup-store.ts';
import { addStoredTelemetryMetrics } from './telemetry/telemetry-metrics.ts';
import { BlobLedgerStore } from './transfer/blob-ledger-store.ts';
import { addBlobMetrics } from './transfer/blob-metrics.ts';
import { BlobScan } from './transfer/blob-scan.ts';
import { UnreferencedBlobs } from './transfer/unreferenced-blobs.ts';

export interface RetentionDependencies {
  readonly models: Pick<ModelService, 'contentLeft'>;
  readonly versionHolders: VersionHolders;
  readonly director: Pick<Director, 'forgetSequences'>;
  /** Of the rollout engine. */
  readonly leases: Leases;
  /** The one that telemetry writes to: it tells of rows that are gone. */
  readonly evidence: EvidenceStore;
}

/** Nothing leaves until `start()`. */
export function makeRetention(
  options: HubOptions,
  { clock, logger }: HubEnvironment,
  { database, metrics, audit, auditCheckpoints: checkpoints, blobs, ledger }: Foundation,
  { models, versionHolders, director, leases, evidence }: RetentionDependencies,
): Retention {
  addBlobMetrics(metrics, ledger);
  const keptMs = options.uploadKeptMs;
  const { telemetryKeptMs, historyKeptMs, auditKeptMs } = options;
  const deviceStore = new DeviceStore(database);
  const telemetry = new DeviceHourRetention({
    store: new DeviceHourStore(database),
    clock,
    logger: logger.child({ part: 'telemetry' }),
    keptMs: telemetryKeptMs,
    bytesMax: options.telemetryMaxBytes,
  });
  addStoredTelemetryMetrics(metrics, telemetry);
  const retention = new Retention({
    // In the order they are shown.
    kinds: [
      new WithdrawnContent({
        store: new ContentStore(database),
        ledger,
        deciders: [versionHolders],
        reporters: [new DeviceHolders(deviceStore)],
        audit,
        keptMs: options.withdrawnKeptMs,
        onLeft: (version) => models.contentLeft(version),
      }),
      new UnreferencedBlobs({ ledger, keptMs }),
      new BlobScan({ blobs, store: new BlobLedgerStore(database), ledger, clock, keptMs }),
      telemetry,
      new RollupRetention({
        store: new RollupStore(database),
        activity: new ActivityStore(database),
        keptMs: telemetryKeptMs,
        finestMs: options.telemetryBucketMs,
      }),
      new EvidenceRetention({ store: evidence, keptMs: telemetryKeptMs }),
      new RolloutRetention({
        store: new RolloutHistoryStore(database),
        audit,
        leases,
        keptMs: historyKeptMs,
      }),
      new EventRetention({ store: deviceStore, keptMs: historyKeptMs }),
      new DeviceRetention({
        store: deviceStore,
        parts: [(ids, tx) => director.forgetSequences(ids, tx)],
        keptMs: historyKeptMs,
      }),
      new AlertRetention({
        alerts: new AlertStore(database),
        deliveries: new DeliveryStore(database),
        keptMs: historyKeptMs,
      }),
      new JoinTokenRetention(new JoinTokenStore(database)),
      new IdempotentRetention(new IdempotentRequestStore(database)),
      new TokenRetention({ store: new TokenStore(database), keptMs: auditKeptMs }),
      new AuditRetention({ database, audit, checkpoints, keptMs: auditKeptMs }),
      new UnusedPages(database),
    ],
    audit,
    clock,
    logger: logger.child({ part: 'retention' }),
  });
  addRetentionMetrics(metrics, retention);
  return retention;
}
