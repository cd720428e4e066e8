/** What evaluates objectives and sends alerts. Part of the composition root (hub.ts). */
import { addAlertMetrics } from './alerts/alert-metrics.ts';
import { alertRoutes } from './alerts/alert-routes.ts';
import { AlertService } from './alerts/alert-service.ts';
import { AlertStore } from './alerts/alert-store.ts';
import { AlertWatch } from './alerts/alert-watch.ts';
import { DeliveryStore } from './alerts/delivery-store.ts';
import { Receivers } from './alerts/receivers.ts';
import type { HubOptions } from './config/options-schema.ts';
import type { DeviceService } from './devices/device-service.ts';
import type { DriftWatch } from './drift/drift-watch.ts';
import type { Foundation, HubEnvironment } from './foundation.ts';
import type { ModelService } from './models/model-service.ts';
import { objectiveRoutes } from './objectives/objective-routes.ts';
import { ObjectiveService } from './objectives/objective-service.ts';
import { ObjectiveStore } from './objectives/objective-store.ts';
import { ReportTimes } from './objectives/report-times.ts';
import type { TelemetryService } from './telemetry/telemetry-service.ts';

interface AlertDependencies {
  readonly devices: DeviceService;
  readonly models: ModelService;
  readonly telemetry: TelemetryService;
  readonly driftWatch: DriftWatch;
  readonly updating: (model: string) => Promise<ReadonlySet<string>>;
}

/** Nothing runs until the parts of `background` do. */
export function makeAlertParts(
  options: HubOptions,
  { clock, random, logger: hubLogger }: HubEnvironment,
  { database, metrics, audit, alertReceivers }: Foundation,
  { devices, models, telemetry, driftWatch, updating }: AlertDependencies,
) {
  const logger = hubLogger.child({ part: 'alerts' });
  const reportTimes = new ReportTimes(clock);
  devices.onRemoved({
    remove: async () => undefined,
    removed: async (id) => reportTimes.removed(id),
  });
  const objectives = new ObjectiveService({
    store: new ObjectiveStore(database),
    telemetry,
    models,
    census: devices.census,
    reportTimes,
    drift: driftWatch,
    updating,
    audit,
    clock,
    telemetryKeptMs: options.telemetryKeptMs,
  });
  const store = new AlertStore(database);
  const receivers = new Receivers({
    receivers: alertReceivers,
    deliveries: new DeliveryStore(database),
    alerts: store,
    audit,
    clock,
    random,
    logger,
  });
  const alerts = new AlertService({ store, queue: receivers, audit, clock, random });
  const watch = new AlertWatch({ objectives, alerts, receivers, clock, logger });
  addAlertMetrics(metrics, { objectives, store, watch, receivers });
  return {
    reportTimes,
    routes: [objectiveRoutes(objectives), alertRoutes(alerts, receivers)],
    background: [(signal: AbortSignal) => watch.run(signal), (signal: AbortSignal) => receivers.run(signal)],
  };
}
