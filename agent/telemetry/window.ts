/**
 * One telemetry window of one version: what is counted between `fromMs` and its end. It holds integers, sums and one
 * sketch; a request's tensors are looked at and let go.
 */

import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { errorCatalogue } from '../../shared/errors/catalogue.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { LabelFigures, TelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import { sumLabels } from '../../shared/sketch/label-sums.ts';
import { LatencySketch } from '../../shared/sketch/latency-sketch.ts';
import { type LabelledRow, labelFigures } from '../../shared/telemetry/label-figures.ts';
import { type OpenFeatureBlocks, WindowCounts } from '../../shared/telemetry/window-counts.ts';
import type { CountedVersion } from './observation.ts';

/** A closed window: the report less what names it on the wire. */
export type ClosedWindow = Omit<TelemetryReport, 'v' | 'stream' | 'number' | 'dropped'>;

export class Window {
  readonly served: CountedVersion;
  readonly #fromMs: number;
  /** By the monotonic clock: what the window covers does not change with a clock that is set. */
  readonly #openedAt: number;
  readonly #counts: WindowCounts | undefined;
  readonly #latency = new LatencySketch();
  readonly #failed = new Map<string, number>();
  #ok = 0;
  #refused = 0;
  #fitBefore = 0;
  #crashes = 0;
  #labels: LabelFigures | undefined;

  /** `blocks`: those that the window before has left open. */
  constructor(served: CountedVersion, clock: Pick<Clock, 'now' | 'monotonic'>, blocks?: OpenFeatureBlocks) {
    this.served = served;
    this.#fromMs = clock.now();
    this.#openedAt = clock.monotonic();
    this.#counts = served.manifest.profile && new WindowCounts(served.manifest.profile, blocks);
  }

  get isEmpty(): boolean {
    const counts = this.#ok + this.#failed.size + this.#refused + this.#crashes + (this.#labels?.n ?? 0);
    return counts === 0;
  }

  /** Throws `tensor_invalid` after the request itself was counted. */
  addAnswered(inputs: readonly Tensor[], outputs: readonly Tensor[], latencyMs: number): void {
    this.#ok += 1;
    this.#latency.add(latencyMs);
    this.#counts?.add(inputs, outputs);
  }

  /** A code that the catalogue does not have is counted as `internal`: free text never leaves the device this way. */
  addFailed(code: string, latencyMs: number): void {
    const known = Object.hasOwn(errorCatalogue, code);
    const full = this.#failed.size >= limits.telemetryErrorCodesMax - 1 && !this.#failed.has(code);
    const counted = known && !full ? code : 'internal';
    this.#failed.set(counted, (this.#failed.get(counted) ?? 0) + 1);
    this.#latency.add(latencyMs);
  }

  addRefused(fitsBefore: boolean): void {
    this.#refused += 1;
    if (fitsBefore) this.#fitBefore += 1;
  }

  addCrash(): void {
    this.#crashes += 1;
  }

  /** The labels of one answer. */
  addLabels(rows: readonly LabelledRow[]): void {
    const { label, interface: face } = this.served.manifest;
    if (label === undefined) return;
    this.#labels = sumLabels(this.#labels, labelFigures({ label, classes: face.classes }, rows));
  }

  close(clock: Pick<Clock, 'monotonic'>): ClosedWindow {
    const { model, version, manifestSha256, rollout, offer } = this.served;
    const from = Math.max(0, Math.round(this.#fromMs));
    return {
      from,
      to: from + Math.round(clock.monotonic() - this.#openedAt),
      model,
      version,
      manifest: manifestSha256,
      ...(rollout === undefined ? {} : { rollout }),
      ...(offer === undefined ? {} : { offer }),
      requests: {
        ok: this.#ok,
        failed: Object.fromEntries(this.#failed),
        ...(this.#refused > 0 ? { refused: { all: this.#refused, fitBefore: this.#fitBefore } } : {}),
      },
      crashes: this.#crashes,
      ...(this.#latency.count > 0 ? { latency: this.#latency.bins() } : {}),
      features: this.#ok > 0 ? (this.#counts?.result() ?? []) : [],
      ...(this.#labels ? { labels: this.#labels } : {}),
    };
  }
}
