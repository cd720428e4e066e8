/** The planner's input: what the rest of the hub knows of a rollout now. */
import type { DownloadObservation, RolloutDevice } from './device-progress.ts';
import { type EvidenceFigures, noFigures } from './evidence-figures.ts';
import type { EvidenceSources, RolloutDownloads } from './rollout-evidence.ts';
import type { RolloutObservation, RolloutView } from './rollout-planner.ts';

/** True when the gates of a running rollout evaluate telemetry, which arrives without notice to the engine. */
export function needsTelemetry({ status, plan }: Pick<RolloutView, 'status' | 'plan'>): boolean {
  return status === 'running' && (plan.gates.maxErrorRate !== undefined || plan.gates.drift !== 'ignore');
}

/** Observes everything the planner needs, as of `now`. Only what the plan's gates need is queried. */
export async function observeRollout(
  view: RolloutView,
  sources: EvidenceSources & { readonly figures: Pick<EvidenceFigures, 'of'> },
  { now, watchingSince }: Pick<RolloutObservation, 'now' | 'watchingSince'>,
): Promise<RolloutObservation> {
  const { plan } = view;
  const published = await sources.versions.find(plan.model, plan.version);
  const { requests, drift } = needsTelemetry(view) ? await sources.figures.of(view) : noFigures;
  return {
    now,
    watchingSince,
    connected: new Set(
      view.devices
        .filter((d) => d.offeredAt !== null && sources.connections.isConnected(d.deviceId))
        .map((d) => d.deviceId),
    ),
    downloads: observeDownloads(view.devices, sources.downloads),
    requests,
    drift,
    withdrawnReason:
      published === undefined ? 'it is no longer known' : (published.withdrawn?.reason ?? null),
  };
}

/** Downloads of those of the devices that were offered something. */
export function observeDownloads(
  devices: readonly RolloutDevice[],
  downloads: RolloutDownloads,
): ReadonlyMap<string, DownloadObservation> {
  const seen = new Map<string, DownloadObservation>();
  for (const { deviceId, offeredAt } of devices) {
    const download = offeredAt === null ? undefined : downloads.download(deviceId);
    if (download !== undefined) seen.set(deviceId, download);
  }
  return seen;
}
