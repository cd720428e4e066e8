/** Assesses whether inputs in service still resemble what a version was trained on: over the fleet, and by device. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DeviceDrift, DriftReport, FeatureDrift } from '../../shared/api/drift.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { FeatureCounts, LabelFigures } from '../../shared/protocol/telemetry-report.ts';
import { sumLabels } from '../../shared/sketch/add-counts.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { labelError } from '../telemetry/label-error.ts';
import type { FigureQuery, TelemetryFigures } from '../telemetry/telemetry-figures.ts';
import { compareVerdicts, judgeFeatures, judgeFleetInSlices, worstFirst, worstVerdict } from './verdict.ts';

export interface DriftQuery {
  readonly model: string;
  /** The version that most devices report when left out. */
  readonly version?: string | undefined;
  readonly devices?: ReadonlySet<string> | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

export interface DriftServiceProps {
  readonly clock: Clock;
  readonly versions: { find(model: string, version: string): Promise<PublishedVersion | undefined> };
  readonly telemetry: {
    figuresByDevice(query: FigureQuery): Promise<ReadonlyMap<string, TelemetryFigures>>;
    mainVersion(span: {
      readonly model: string;
      readonly fromMs: number;
      readonly toMs: number;
    }): Promise<string>;
  };
}

const SPAN_MS_DEFAULT = 3_600_000;

export class DriftService {
  readonly #props: DriftServiceProps;

  constructor(props: DriftServiceProps) {
    this.#props = props;
  }

  /**
   * Verdicts for the span, by default the last hour. Throws `not_found` for an unknown version, `drift_no_profile`, and
   * `no_telemetry` when no version is named and none was reported. A known version without data is `too-few`.
   */
  async assess(query: DriftQuery): Promise<DriftReport> {
    const { clock, telemetry } = this.#props;
    const toMs = query.toMs ?? clock.now() + 1;
    const fromMs = query.fromMs ?? toMs - SPAN_MS_DEFAULT;
    const { model } = query;
    const version = query.version ?? (await telemetry.mainVersion({ model, fromMs, toMs }));
    const profile = await this.#profile(model, version);
    const byDevice = await telemetry.figuresByDevice({
      model,
      version,
      devices: query.devices,
      fromMs,
      toMs,
    });
    const features = await judgeFleetInSlices(
      profile,
      [...byDevice.values()].map((figures) => figures.features),
      nextTurn,
    );
    const devices = [...byDevice]
      .map(([device, figures]) => judgeDevice(device, figures, profile))
      .sort(worstDeviceFirst);
    const labels = labelError(
      [...byDevice.values()].reduce<LabelFigures | undefined>(
        (sum, figures) => sumLabels(sum, figures.labels),
        undefined,
      ),
    );
    return {
      model,
      version,
      fromMs: Math.round(fromMs),
      toMs: Math.round(toMs),
      verdict: worstVerdict(features.map((feature) => feature.verdict)),
      features: [...features],
      ...(labels ? { labels } : {}),
      devicesSeen: devices.length,
      devicesDrifted: devices.filter((device) => device.verdict === 'drift').length,
      devices: devices.slice(0, limits.driftDevicesNamedMax),
    };
  }

  /**
   * Verdicts over the counts of these devices, one entry for each, empty where it has none. Throws `not_found` and
   * `drift_no_profile`.
   */
  async judge(
    { model, version }: Pick<PublishedVersion, 'model' | 'version'>,
    devices: readonly (readonly FeatureCounts[])[],
  ): Promise<readonly FeatureDrift[]> {
    return judgeFleetInSlices(await this.#profile(model, version), devices, nextTurn);
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

function judgeDevice(device: string, figures: TelemetryFigures, profile: ReferenceProfile): DeviceDrift {
  const [worst] = judgeFeatures(profile, figures.features);
  if (worst === undefined || worst.verdict === 'too-few') return { device, verdict: 'too-few' };
  return { device, verdict: worst.verdict, worst };
}

function worstDeviceFirst(a: DeviceDrift, b: DeviceDrift): number {
  return (
    compareVerdicts(a.verdict, b.verdict) ||
    (a.worst && b.worst ? worstFirst(a.worst, b.worst) : 0) ||
    (a.device < b.device ? -1 : 1)
  );
}
