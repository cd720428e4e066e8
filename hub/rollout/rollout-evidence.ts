/** What the engine asks of the rest of the hub: narrow views of services, and the sight the planner judges by. */
import type { DeviceFacts } from '../../shared/protocol/enrolment.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import type { DownloadSight, RolloutDevice } from './device-progress.ts';
import { type EvidenceFigures, noFigures } from './evidence-figures.ts';
import type { RolloutView, Sight } from './rollout-planner.ts';

export interface RolloutVersions {
  find(model: string, version: string): Promise<PublishedVersion | undefined>;
}

/** What a device last said of itself; `reported` is absent until it has spoken. */
export interface FleetReport {
  readonly id: string;
  readonly facts: Pick<DeviceFacts, 'providers' | 'memoryBytes'>;
  readonly reported?: Pick<ReportedState, 'models' | 'freeBytes'>;
}

export interface RolloutFleet {
  /** Ids of the group, of all devices when it is undefined; removed ones are left out. */
  idsInGroup(group: string | undefined): Promise<string[]>;
  report(deviceId: string): Promise<FleetReport | undefined>;
  /** In order of id. */
  reports(page: {
    readonly group?: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly FleetReport[]>;
}

export interface RolloutConnections {
  isConnected(deviceId: string): boolean;
}

export interface RolloutDownloads {
  /** Undefined of a device that has asked for nothing. */
  download(deviceId: string): DownloadSight | undefined;
}

/** What one device's windows add up to since it was offered the version. */
export interface DeviceEvidence {
  /** When the offer was made that they belong to. */
  readonly offeredAt: number;
  readonly figures: {
    readonly requests: {
      readonly ok: number;
      readonly failed: Readonly<Record<string, number>>;
      readonly refused: { readonly fitBefore: number };
    };
    readonly features: readonly FeatureCounts[];
  };
}

export interface RolloutTelemetry {
  /** By device; the same map as before when nothing has changed. */
  evidence(rolloutId: string): Promise<ReadonlyMap<string, DeviceEvidence>>;
}

export interface RolloutDrift {
  /** `devices`: the counts of each. Throws `drift_no_profile`. */
  judge(
    version: { readonly model: string; readonly version: string },
    devices: readonly (readonly FeatureCounts[])[],
  ): Promise<
    readonly {
      readonly name: string;
      readonly role: 'input' | 'output';
      readonly psi: number;
      readonly verdict: 'stable' | 'watch' | 'drift' | 'too-few';
      readonly devices: number;
    }[]
  >;
}

export interface EvidenceSources {
  readonly versions: RolloutVersions;
  readonly connections: RolloutConnections;
  readonly downloads: RolloutDownloads;
  readonly telemetry: RolloutTelemetry;
  readonly drift: RolloutDrift;
}

/** True when the gates of a running rollout look at telemetry, which comes in without telling the engine. */
export function needsTelemetry({ status, plan }: Pick<RolloutView, 'status' | 'plan'>): boolean {
  return status === 'running' && (plan.gates.maxErrorRate !== undefined || plan.gates.drift !== 'ignore');
}

/** Looks at everything the planner wants to know, as of `now`. Only what the plan's gates ask for is asked. */
export async function lookAround(
  view: RolloutView,
  sources: EvidenceSources & { readonly figures: Pick<EvidenceFigures, 'of'> },
  { now, watchingSince }: Pick<Sight, 'now' | 'watchingSince'>,
): Promise<Sight> {
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
    downloads: seeDownloads(view.devices, sources.downloads),
    requests,
    drift,
    withdrawnReason:
      published === undefined ? 'it is no longer known' : (published.withdrawn?.reason ?? null),
  };
}

/** Downloads of those of the devices that were offered something. */
export function seeDownloads(
  devices: readonly RolloutDevice[],
  downloads: RolloutDownloads,
): ReadonlyMap<string, DownloadSight> {
  const seen = new Map<string, DownloadSight>();
  for (const { deviceId, offeredAt } of devices) {
    const download = offeredAt === null ? undefined : downloads.download(deviceId);
    if (download !== undefined) seen.set(deviceId, download);
  }
  return seen;
}
