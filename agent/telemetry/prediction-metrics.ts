/** Predictions that wait for a label, for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { PredictionStore } from './prediction-store.ts';

export function addPredictionMetrics(
  registry: Registry,
  store: Pick<PredictionStore, 'count' | 'lost'>,
): void {
  const registers = [registry];
  new Gauge({
    name: 'modelfleet_predictions_kept',
    help: 'Answers that a later label can be joined to',
    registers,
    collect() {
      this.set(store.count);
    },
  });
  new Counter({
    name: 'modelfleet_predictions_lost_total',
    help: 'Answers that take no label any more because they could not be written to the disk',
    registers,
    collect() {
      this.reset();
      this.inc(store.lost);
    },
  });
}
