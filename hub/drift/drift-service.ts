/** Assesses whether inputs in service still resemble what a version was trained on: over the fleet, and by device. */

import type { DeviceDrift, DriftReport, FeatureDrift } from '../../shared/api/drift.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import type { VersionCount } from '../devices/fleet-census.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import type { JudgedDevice } from '../telemetry/device-hours/activity-store.ts';
import { labelError } from '../telemetry/label-error.ts';
import type { RollupSums } from '../telemetry/rollups/rollup-sums.ts';
import type { FigureQuery } from '../telemetry/telemetry-figures.ts';
import { driftRule, worstVerdict } from './drift-rule.ts';
import type { UnitSums } from './pooled-units.ts';
import { onEveryReading } from './significance.ts';
import { judgeFeatures, judgeUnits } from './verdict.ts';

/** A drift report without its devices. */
export type FleetDrift = Omit<DriftReport, 'devices'>;

export interface DriftQuery {
  readonly model: string;
  /** When left out, the version that most devices run. */
  readonly version?: string | undefined;
  readonly group?: string | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Chance of any false alarm over the features of the fleet; by default that of one reading. */
  readonly level?: number | undefined;
}

export interface DriftServiceProps {
  readonly clock: Clock;
  readonly versions: { find(model: string, version: string): Promise<PublishedVersion | undefined> };
  readonly telemetry: {
    hours(query: FigureQuery): Promise<Pick<RollupSums, 'features' | 'figures'>>;
    countDevices(query: FigureQuery): Promise<{ readonly devices: number; readonly drifted: number }>;
    worstDevices(query: FigureQuery, max: number): Promise<readonly JudgedDevice[]>;
    deviceHour(
      version: { readonly model: string; readonly version: string },
      device: JudgedDevice,
    ): Promise<readonly FeatureCounts[]>;
    /** Those that devices reported in the span, most devices first. */
    versions(span: Omit<FigureQuery, 'version'>): Promise<readonly { readonly version: string }[]>;
  };
  /** How many devices have each version active now. */
  readonly active: () => readonly VersionCount[];
}

const SPAN_MS_DEFAULT = 3_600_000;

export class DriftService {
  readonly #props: DriftServiceProps;

  constructor(props: DriftServiceProps) {
    this.#props = props;
  }

  /**
   * Verdicts over the fleet and by device for the span, by default the last hour. Throws `not_found` for an unknown version,
   * `drift_no_profile`, and `no_telemetry` when no version is named and none was reported. A known version without data is `too-few`.
   */
  async assess(query: DriftQuery): Promise<DriftReport> {
    const { telemetry } = this.#props;
    const span = await this.#span(query);
    const profile = await this.#profile(span.model, span.version);
    const fleet = await this.#assessFleet(span, profile, query.level);
    const devices: DeviceDrift[] = [];
    for (const device of await telemetry.worstDevices(span, limits.driftDevicesNamedMax)) {
      devices.push(await this.#describe(span, device, profile));
    }
    return { ...fleet, devices };
  }

  /** The same without the devices, at a cost that does not depend on how many there are or for how long they have reported. */
  async assessFleet(query: DriftQuery): Promise<FleetDrift> {
    const span = await this.#span(query);
    return this.#assessFleet(span, await this.#profile(span.model, span.version), query.level);
  }

  /** Verdicts over the devices of a rollout, each a unit, at a level that holds however often they are asked for. Throws `not_found` and `drift_no_profile`. */
  async judge(
    { model, version }: Pick<PublishedVersion, 'model' | 'version'>,
    { units, devices }: { readonly units: ReadonlyMap<string, UnitSums>; readonly devices: number },
  ): Promise<readonly FeatureDrift[]> {
    return judgeUnits(await this.#profile(model, version), units, {
      all: devices,
      significance: onEveryReading,
    });
  }

  async #span(query: DriftQuery): Promise<FigureQuery> {
    const { clock } = this.#props;
    const toMs = Math.round(query.toMs ?? clock.now() + 1);
    const fromMs = Math.round(query.fromMs ?? toMs - SPAN_MS_DEFAULT);
    const { model, group } = query;
    const version = query.version ?? (await this.#mainVersion({ model, group, fromMs, toMs }));
    return { model, version, group, fromMs, toMs };
  }

  /**
   * The version that most devices have active, of those that were reported in the span: a version that was rolled back a minute ago has
   * been reported by as many devices as the one that answers now.
   */
  async #mainVersion(span: Omit<FigureQuery, 'version'>): Promise<string> {
    const reported = await this.#props.telemetry.versions(span);
    const active = new Map(
      this.#props
        .active()
        .filter(({ model, state }) => model === span.model && state === 'active')
        .map(({ version, devices }) => [version, devices]),
    );
    const [main] = reported.toSorted((a, b) => (active.get(b.version) ?? 0) - (active.get(a.version) ?? 0));
    if (main) return main.version;
    throw new AppError(
      'no_telemetry',
      `Cannot assess drift of "${span.model}": no device reported telemetry of it in this time span.`,
    );
  }

  async #assessFleet(
    span: FigureQuery,
    profile: ReferenceProfile,
    level: number = driftRule.level,
  ): Promise<FleetDrift> {
    const { telemetry } = this.#props;
    const sums = await telemetry.hours(span);
    const counts = await telemetry.countDevices(span);
    const features = judgeUnits(profile, sums.features(), { level, streams: counts.devices }).map(
      (feature) => ({
        ...feature,
        // A unit is a device in an hour: over several hours there are more of them than devices.
        devices: Math.min(feature.devices, counts.devices),
      }),
    );
    const labels = labelError(sums.figures().labels);
    return {
      model: span.model,
      version: span.version,
      fromMs: span.fromMs,
      toMs: span.toMs,
      level,
      verdict: worstVerdict(features.map((feature) => feature.verdict)),
      features,
      ...(labels ? { labels } : {}),
      devicesSeen: counts.devices,
      devicesDrifted: counts.drifted,
    };
  }

  /** With the figures of the worst feature in the hour that was judged, for a device whose verdict says anything. */
  async #describe(
    version: Pick<PublishedVersion, 'model' | 'version'>,
    device: JudgedDevice,
    profile: ReferenceProfile,
  ): Promise<DeviceDrift> {
    const { deviceId, verdict } = device;
    if (verdict === 'too-few') return { device: deviceId, verdict };
    const [worst] = judgeFeatures(profile, await this.#props.telemetry.deviceHour(version, device));
    return { device: deviceId, verdict, ...(worst ? { worst } : {}) };
  }

  async #profile(model: string, version: string): Promise<ReferenceProfile> {
    const published = await this.#props.versions.find(model, version);
    if (published === undefined) {
      throw new AppError('not_found', `Cannot assess drift of ${model} ${version}: no such version exists.`);
    }
    const { profile } = published.manifest;
    if (profile === undefined || profile.features.length === 0) {
      throw new AppError(
        'drift_no_profile',
        `Cannot assess drift of ${model} ${version}: it was packed without a reference profile.`,
      );
    }
    return profile;
  }
}
