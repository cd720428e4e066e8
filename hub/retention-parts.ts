/** What leaves the hub, and when. Part of the composition root (hub.ts). */
import type { HubOptions } from './config/options-schema.ts';
import { DeviceHolders } from './devices/device-holders.ts';
import { DeviceStore } from './devices/device-store.ts';
import type { Foundation, HubEnvironment } from './foundation.ts';
import { ContentStore } from './models/content-store.ts';
import type { ModelService } from './models/model-service.ts';
import { WithdrawnContent } from './models/withdrawn-content.ts';
import { Retention } from './retention/retention.ts';
import { addRetentionMetrics } from './retention/retention-metrics.ts';
import type { VersionHolders } from './rollout/version-holders.ts';
import { BlobLedgerStore } from './transfer/blob-ledger-store.ts';
import { addBlobMetrics } from './transfer/blob-metrics.ts';
import { BlobScan } from './transfer/blob-scan.ts';
import { UnnamedBlobs } from './transfer/unnamed-blobs.ts';

export interface RetentionNeighbours {
  readonly models: Pick<ModelService, 'contentLeft'>;
  readonly versionHolders: VersionHolders;
}

/** Nothing leaves until `start()`. */
export function makeRetention(
  options: HubOptions,
  { clock, logger }: HubEnvironment,
  { database, metrics, audit, blobs, ledger }: Foundation,
  { models, versionHolders }: RetentionNeighbours,
): Retention {
  addBlobMetrics(metrics, ledger);
  const keptMs = options.uploadKeptMs;
  const retention = new Retention({
    // In the order they are shown.
    kinds: [
      new WithdrawnContent({
        store: new ContentStore(database),
        ledger,
        deciders: [versionHolders],
        reporters: [new DeviceHolders(new DeviceStore(database))],
        audit,
        keptMs: options.withdrawnKeptMs,
        onLeft: (version) => models.contentLeft(version),
      }),
      new UnnamedBlobs({ ledger, keptMs }),
      new BlobScan({ blobs, store: new BlobLedgerStore(database), ledger, clock, keptMs }),
    ],
    audit,
    clock,
    logger: logger.child({ part: 'retention' }),
  });
  addRetentionMetrics(metrics, retention);
  return retention;
}
