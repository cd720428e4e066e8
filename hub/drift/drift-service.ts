/** Says whether what devices see still looks like what a version was trained on: over the fleet, and by device. */

import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { DeviceDrift, DriftReport } from '../../shared/protocol/drift-answer.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { FigureSums } from '../telemetry/figure-sums.ts';
import { labelError } from '../telemetry/label-error.ts';
import type { FigureQuery, TelemetryFigures } from '../telemetry/telemetry-figures.ts';
import { compareVerdicts, judgeFeatures, worstFirst, worstVerdict } from './verdict.ts';

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
    const { clock, versions, telemetry } = this.#props;
    const toMs = query.toMs ?? clock.now() + 1;
    const fromMs = query.fromMs ?? toMs - SPAN_MS_DEFAULT;
    const { model } = query;
    const version = query.version ?? (await telemetry.mainVersion({ model, fromMs, toMs }));
    const published = await versions.find(model, version);
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
    const byDevice = await telemetry.figuresByDevice({
      model,
      version,
      devices: query.devices,
      fromMs,
      toMs,
    });
    const sums = new FigureSums();
    for (const figures of byDevice.values()) sums.add(figures);
    const fleet = sums.figures([...byDevice.keys()]);
    const features = judgeFeatures(profile, fleet.features);
    const devices = [...byDevice]
      .map(([device, figures]) => judgeDevice(device, figures, profile))
      .sort(worstDeviceFirst);
    const labels = labelError(fleet.labels);
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
