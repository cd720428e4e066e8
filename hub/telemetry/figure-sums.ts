/**
 * A running sum of telemetry windows of one version: integer counts, moment sums, a latency sketch. Adding is
 * commutative and, for the counts, exact, so windows may arrive in any order. Stored as sums-encoding.ts says.
 */

import type { FeatureCounts, LabelFigures } from '../../shared/protocol/telemetry-report.ts';
import { addFeatureCounts, copyFeatureCounts } from '../../shared/sketch/add-counts.ts';
import { negatedLabels, sumLabels } from '../../shared/sketch/label-sums.ts';
import { LatencySketch } from '../../shared/sketch/latency-sketch.ts';
import { type Addable, encodeSums } from './sums-encoding.ts';
import type { TelemetryFigures } from './telemetry-figures.ts';

export class FigureSums {
  #reports = 0;
  #ok = 0;
  #refused = 0;
  #fitBefore = 0;
  #crashes = 0;
  #dropped = 0;
  #labels: LabelFigures | undefined;
  readonly #latency = new LatencySketch();
  readonly #failed = new Map<string, number>();
  readonly #features = new Map<string, FeatureCounts>();

  add(more: Addable): void {
    this.#reports += more.reports;
    this.#ok += more.requests.ok;
    this.#refused += more.requests.refused?.all ?? 0;
    this.#fitBefore += more.requests.refused?.fitBefore ?? 0;
    this.#crashes += more.crashes;
    this.#dropped += more.dropped;
    this.#labels = sumLabels(this.#labels, more.labels);
    for (const [code, count] of Object.entries(more.requests.failed)) {
      this.#failed.set(code, (this.#failed.get(code) ?? 0) + count);
    }
    if (more.latency) this.#latency.merge(more.latency);
    for (const counts of more.features) {
      const sum = this.#features.get(counts.name);
      if (sum) addFeatureCounts(sum, counts);
      else this.#features.set(counts.name, copyFeatureCounts(counts));
    }
  }

  /** Subtracts requests, errors, latencies and labels that were added before; features are left as they are. */
  remove(gone: Omit<Addable, 'features'>): void {
    const { ok, failed, refused } = gone.requests;
    const negative = Object.fromEntries(Object.entries(failed).map(([code, count]) => [code, -count]));
    this.add({
      reports: -gone.reports,
      requests: {
        ok: -ok,
        failed: negative,
        ...(refused ? { refused: { all: -refused.all, fitBefore: -refused.fitBefore } } : {}),
      },
      crashes: -gone.crashes,
      dropped: -gone.dropped,
      latency: gone.latency && {
        first: gone.latency.first,
        counts: gone.latency.counts.map((count) => -count),
      },
      labels: gone.labels && negatedLabels(gone.labels),
      features: [],
    });
    for (const [code, count] of this.#failed) if (count === 0) this.#failed.delete(code);
    if (this.#labels?.n === 0) this.#labels = undefined;
  }

  /** The sum as something to add, or to show. */
  figures(): TelemetryFigures {
    return {
      reports: this.#reports,
      requests: {
        ok: this.#ok,
        failed: Object.fromEntries(this.#failed),
        refused: { all: this.#refused, fitBefore: this.#fitBefore },
      },
      crashes: this.#crashes,
      latency: this.#latency,
      features: [...this.#features.values()],
      labels: this.#labels,
      dropped: this.#dropped,
    };
  }

  encode(): Uint8Array {
    return encodeSums(this.figures());
  }
}
