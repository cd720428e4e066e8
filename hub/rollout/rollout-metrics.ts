/** Rollouts by status, for `/metrics`. */

import { Gauge, type Registry } from 'prom-client';
import { rolloutStatuses } from '../../shared/api/rollouts.ts';
import type { RolloutStore } from './rollout-store.ts';

export function addRolloutMetrics(registry: Registry, store: RolloutStore): void {
  registry.registerMetric(
    new Gauge({
      name: 'modelfleet_rollouts',
      help: 'Rollouts by status',
      labelNames: ['status'],
      registers: [],
      async collect() {
        const counts = await store.countByStatus();
        for (const status of rolloutStatuses) this.set({ status }, counts.get(status) ?? 0);
      },
    }),
  );
}
