/** What `/metrics` shows of the parts of the hub; part of the composition root. */
import type { Registry } from 'prom-client';
import type { AedesBroker } from './broker/aedes-broker.ts';
import { addFleetMetrics, registerDeviceMetrics } from './devices/device-metrics.ts';
import type { DeviceService } from './devices/device-service.ts';
import type { DeviceStore } from './devices/device-store.ts';
import { addDriftMetrics } from './drift/drift-metrics.ts';
import type { DriftService } from './drift/drift-service.ts';
import { DriftWatch } from './drift/drift-watch.ts';
import type { HubEnvironment } from './foundation.ts';
import type { DeviceInbox } from './inbox/device-inbox.ts';
import { registerInboxMetrics } from './inbox/inbox-metrics.ts';
import type { ModelService } from './models/model-service.ts';
import type { Authority } from './pki/authority.ts';
import type { SecurityEvents } from './security/security-events.ts';
import { registerSecurityMetrics } from './security/security-metrics.ts';
import { addExpiryMetrics } from './signing/expiry-metrics.ts';
import type { TufRepository } from './signing/tuf-repository.ts';
import { registerTelemetryMetrics } from './telemetry/telemetry-metrics.ts';
import type { TelemetryService } from './telemetry/telemetry-service.ts';
import { registerTransferMetrics } from './transfer/transfer-metrics.ts';
import type { TransferService } from './transfer/transfer-service.ts';

interface MeasuredParts {
  readonly broker: AedesBroker;
  readonly refusals: SecurityEvents;
  readonly inbox: DeviceInbox;
  readonly transfer: TransferService;
  readonly telemetry: TelemetryService;
  readonly devices: DeviceService;
  readonly models: ModelService;
  readonly trust: TufRepository;
  readonly drift: DriftService;
}

/** Registers the figures, and returns what assesses drift for them while the hub runs. */
export function addFleetFigures(
  { clock, logger }: Pick<HubEnvironment, 'clock' | 'logger'>,
  {
    metrics,
    authority,
    store,
  }: { readonly metrics: Registry; readonly authority: Authority; readonly store: DeviceStore },
  { broker, refusals, inbox, transfer, telemetry, devices, models, trust, drift }: MeasuredParts,
): DriftWatch {
  registerDeviceMetrics(metrics, broker);
  registerSecurityMetrics(metrics, refusals);
  registerInboxMetrics(metrics, inbox);
  registerTransferMetrics(metrics, transfer);
  registerTelemetryMetrics(metrics, telemetry);
  const { census } = devices;
  addFleetMetrics(metrics, { store, census, published: (versions) => models.published(versions), clock });
  addExpiryMetrics(metrics, {
    certificates: () => ({ ...authority.expiresAt }),
    roles: () => trust.status(),
  });
  const driftWatch = new DriftWatch({
    drift,
    versions: () => models.published(census.versions()),
    clock,
    logger: logger.child({ part: 'drift' }),
  });
  addDriftMetrics(metrics, driftWatch);
  return driftWatch;
}
