/** What the engine needs of the rest of the hub: narrow views of services. */
import type { DeviceFacts } from '../../shared/protocol/enrolment.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import type { FeatureRollup } from '../telemetry/rollups/rollup-sums.ts';
import type { DownloadObservation } from './device-progress.ts';

export interface RolloutVersions {
  find(model: string, version: string): Promise<PublishedVersion | undefined>;
}

/** What a device last reported of itself; `reported` is absent until its first report. */
export interface FleetReport {
  readonly id: string;
  readonly facts: Pick<DeviceFacts, 'providers' | 'memoryBytes'>;
  readonly reported?: Pick<ReportedState, 'models' | 'freeBytes'>;
  /** A restore has invalidated its last report. */
  readonly isReportLost?: boolean;
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
  /** Undefined for a device that has requested nothing. */
  download(deviceId: string): DownloadObservation | undefined;
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
  /**
   * `units`: the counts of the devices by feature, each device a unit; `devices`: how many there are, also without counts. Throws
   * `drift_no_profile`.
   */
  judge(
    version: { readonly model: string; readonly version: string },
    evidence: { readonly units: ReadonlyMap<string, Readonly<FeatureRollup>>; readonly devices: number },
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
