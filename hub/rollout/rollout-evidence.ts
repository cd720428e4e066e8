/** What the engine asks of the rest of the hub: narrow views of services, and the sight the planner judges by. */
import { isAppError } from '../../shared/base/app-error.ts';
import type { DeviceFacts } from '../../shared/protocol/enrolment.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import type { DownloadSight, RolloutDevice } from './device-progress.ts';
import type { GateInputs } from './gates.ts';
import { isPresent } from './phase-members.ts';
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

interface EvidenceQuery {
  readonly model: string;
  readonly version: string;
  readonly devices?: ReadonlySet<string> | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RolloutTelemetry {
  figures(query: EvidenceQuery): Promise<{
    readonly requests: {
      readonly ok: number;
      readonly failed: Readonly<Record<string, number>>;
      readonly refused: { readonly fitBefore: number };
    };
  }>;
}

export interface RolloutDrift {
  assess(query: EvidenceQuery): Promise<{
    readonly features: readonly {
      readonly name: string;
      readonly role: 'input' | 'output';
      readonly psi: number;
      readonly verdict: 'stable' | 'watch' | 'drift' | 'too-few';
    }[];
  }>;
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
  const switched = view.devices.filter(
    (d) => isPresent(d) && ['trial', 'succeeded', 'rolled-back'].includes(d.status),
  );
  const query = {
    model: plan.model,
    version: plan.version,
    devices: new Set(switched.map((d) => d.deviceId)),
    fromMs: view.startedAt ?? now,
    toMs: now,
  };
  const hasData = view.status === 'running' && switched.length > 0;
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
      hasData && plan.gates.maxErrorRate !== undefined
        ? await countRequests(sources, query, plan.trial.breaking)
        : null,
    drift: hasData && plan.gates.drift !== 'ignore' ? await assessDrift(sources, query) : null,
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

async function countRequests(
  sources: EvidenceSources,
  query: EvidenceQuery,
  isBreaking = false,
): Promise<GateInputs['requests']> {
  const { requests } = await sources.telemetry.figures(query);
  return {
    ok: requests.ok,
    failed: Object.values(requests.failed).reduce((sum, count) => sum + count, 0),
    // Where the interface changes on purpose, what the old one alone fits says nothing of the version.
    refused: isBreaking ? 0 : requests.refused.fitBefore,
  };
}

/**
 * Inputs alone: outputs follow from them, and a new version may well answer differently from its reference. A version
 * with nothing to compare with has no figures, which no gate takes for a pass.
 */
async function assessDrift(sources: EvidenceSources, query: EvidenceQuery): Promise<GateInputs['drift']> {
  const report = await sources.drift.assess(query).catch((error: unknown) => {
    if (isAppError(error, 'drift_no_profile')) return undefined;
    throw error;
  });
  if (!report) return null;
  const { features } = report;
  const inputs = features.filter((feature) => feature.role === 'input');
  return {
    features: inputs.length,
    drifting: inputs
      .filter((feature) => feature.verdict === 'drift')
      .map(({ name, psi }) => ({ name, psi: Number.isFinite(psi) ? psi : null })),
    tooFew: inputs.filter((feature) => feature.verdict === 'too-few').map((feature) => feature.name),
  };
}
