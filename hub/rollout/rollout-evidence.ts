/** What the engine asks of the rest of the hub: narrow views of services, and the sight the planner judges by. */
import { isAppError } from '../../shared/base/app-error.ts';
import type { DeviceFacts } from '../../shared/protocol/enrolment.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import type { DownloadSight, RolloutDevice } from './device-progress.ts';
import type { GateInputs } from './gates.ts';
import { isPresent } from './phase-members.ts';
import { requestFigures } from './request-figures.ts';
import type { RolloutPlan } from './rollout-plan.ts';
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
  sources: EvidenceSources,
  { now, watchingSince }: Pick<Sight, 'now' | 'watchingSince'>,
): Promise<Sight> {
  const { plan } = view;
  const published = await sources.versions.find(plan.model, plan.version);
  const brought = needsTelemetry(view) ? await lookAtEvidence(view, sources) : [];
  return {
    now,
    watchingSince,
    connected: new Set(
      view.devices
        .filter((d) => d.offeredAt !== null && sources.connections.isConnected(d.deviceId))
        .map((d) => d.deviceId),
    ),
    downloads: seeDownloads(view.devices, sources.downloads),
    requests:
      brought.length > 0 && plan.gates.maxErrorRate !== undefined ? countRequests(brought, plan) : null,
    drift:
      brought.length > 0 && plan.gates.drift !== 'ignore' ? await judgeDrift(brought, plan, sources) : null,
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

type Brought = readonly (DeviceEvidence['figures'] | undefined)[];

/** What each device brought that has switched to the version; undefined where it brought nothing. */
async function lookAtEvidence(view: RolloutView, { telemetry }: EvidenceSources): Promise<Brought> {
  const switched = view.devices.filter(
    (d) => isPresent(d) && ['trial', 'succeeded', 'rolled-back'].includes(d.status),
  );
  if (switched.length === 0) return [];
  const evidence = await telemetry.evidence(view.id);
  return switched.map(({ deviceId, offeredAt }) => {
    const found = evidence.get(deviceId);
    return found?.offeredAt === offeredAt ? found?.figures : undefined;
  });
}

function countRequests(brought: Brought, { gates, trial }: RolloutPlan): GateInputs['requests'] {
  return requestFigures(
    brought.map((figures) => ({
      ok: figures?.requests.ok ?? 0,
      failed: Object.values(figures?.requests.failed ?? {}).reduce((sum, count) => sum + count, 0),
      // Where the interface changes on purpose, what the old one alone fits says nothing of the version.
      refused: trial.breaking ? 0 : (figures?.requests.refused.fitBefore ?? 0),
    })),
    gates.minRequests,
  );
}

/**
 * Inputs alone: outputs follow from them, and a new version may well answer differently from its reference. A version
 * with nothing to compare with has no figures, which no gate takes for a pass.
 */
async function judgeDrift(
  brought: Brought,
  plan: RolloutPlan,
  { drift }: EvidenceSources,
): Promise<GateInputs['drift']> {
  const counts = brought.map((figures) => figures?.features ?? []);
  const features = await drift.judge(plan, counts).catch((error: unknown) => {
    if (isAppError(error, 'drift_no_profile')) return undefined;
    throw error;
  });
  if (!features) return null;
  const inputs = features.filter((feature) => feature.role === 'input');
  return {
    features: inputs.length,
    withEvidence: inputs.reduce((least, { devices }) => Math.min(least, devices), brought.length),
    drifting: inputs
      .filter((feature) => feature.verdict === 'drift')
      .map(({ name, psi }) => ({ name, psi: Number.isFinite(psi) ? psi : null })),
    tooFew: inputs.filter((feature) => feature.verdict === 'too-few').map((feature) => feature.name),
  };
}
