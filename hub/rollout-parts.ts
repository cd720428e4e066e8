/** How versions spread: the rollout engine, and what it receives from devices. Part of the composition root (hub.ts). */
import type { AedesBroker } from './broker/aedes-broker.ts';
import type { HubOptions } from './config/options-schema.ts';
import type { DeviceService } from './devices/device-service.ts';
import type { DriftService } from './drift/drift-service.ts';
import type { Foundation, HubEnvironment } from './foundation.ts';
import type { ModelService } from './models/model-service.ts';
import type { DesiredStore } from './rollout/desired-store.ts';
import type { Director } from './rollout/director.ts';
import { ProcessLeases } from './rollout/process-leases.ts';
import { releaseRoutes } from './rollout/release-routes.ts';
import { ReleaseService } from './rollout/release-service.ts';
import { RolloutChanges } from './rollout/rollout-changes.ts';
import { RolloutDeviceStore } from './rollout/rollout-device-store.ts';
import { addRolloutMetrics } from './rollout/rollout-metrics.ts';
import { rolloutRoutes } from './rollout/rollout-routes.ts';
import { RolloutRunner } from './rollout/rollout-runner.ts';
import { RolloutService } from './rollout/rollout-service.ts';
import { RolloutStore } from './rollout/rollout-store.ts';
import { unassignRoutes } from './rollout/unassign-routes.ts';
import { UnassignService } from './rollout/unassign-service.ts';
import { VersionHolders } from './rollout/version-holders.ts';
import type { TelemetryService } from './telemetry/telemetry-service.ts';
import type { TransferService } from './transfer/transfer-service.ts';

/** Parts that rollouts work with. */
export interface RolloutDependencies {
  readonly broker: AedesBroker;
  readonly devices: DeviceService;
  readonly models: ModelService;
  readonly desired: DesiredStore;
  readonly director: Director;
  readonly transfer: TransferService;
  readonly telemetry: TelemetryService;
  readonly drift: DriftService;
}

/** Nothing runs until `runner.start()`. */
export function makeRolloutParts(
  options: HubOptions,
  { clock, random, logger }: HubEnvironment,
  { database, metrics, audit }: Foundation,
  { broker, devices, models, desired, director, transfer, telemetry, drift }: RolloutDependencies,
) {
  const store = new RolloutStore(database);
  const rolloutDevices = new RolloutDeviceStore(database);
  addRolloutMetrics(metrics, store);
  const leases = new ProcessLeases();
  const runner = new RolloutRunner({
    store,
    devices: rolloutDevices,
    changes: new RolloutChanges({
      store,
      devices: rolloutDevices,
      director,
      versions: models,
      fleet: devices,
      audit,
      logger: logger.child({ part: 'rollout' }),
    }),
    director,
    evidence: { versions: models, connections: broker, downloads: transfer, telemetry, drift },
    leases,
    clock,
    logger: logger.child({ part: 'rollout' }),
    observeMs: options.rolloutObserveMs,
  });
  const rollouts = new RolloutService({
    store,
    devices: rolloutDevices,
    runner,
    versions: models,
    fleet: devices,
    director,
    connections: broker,
    downloads: transfer,
    audit,
    clock,
    random,
  });
  const unassigning = new UnassignService({
    rollouts: rolloutDevices,
    store: desired,
    director,
    fleet: devices,
    audit,
  });
  const releases = new ReleaseService({ store: desired, director, devices, audit });

  devices.onEvent((id, event, tx) => runner.handleEvent(id, event, tx));
  devices.onReported((id, reported, tx) => director.handleReport(id, reported, tx));
  devices.onReported((id, reported, tx) => runner.handleReport(id, reported, tx));
  devices.onReported((id, reported, tx) => unassigning.handleReport(id, reported, tx));
  devices.onRemoved({
    remove: (id, _now, tx) => director.forget(id, tx),
    removed: (id) => director.publish([id]),
  });
  devices.onRemoved({
    remove: (id, now, tx) => runner.removeDevice(id, now, tx),
    removed: (id) => runner.deviceRemoved(id),
  });
  return {
    runner,
    holders: new VersionHolders({ desired, rollouts: store }),
    leases,
    /** Devices that a rollout of the model is updating now. */
    updating: async (model: string) => new Set(await rolloutDevices.updating(model)),
    routes: [rolloutRoutes(rollouts), releaseRoutes(releases), unassignRoutes(unassigning)],
  };
}
