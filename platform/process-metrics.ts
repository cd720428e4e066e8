/** Memory, CPU, open files, event loop and garbage collection of this process, for `/metrics`, and which version of the program it is. */
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/** The event loop is sampled this often: every 10 ms, which is the default, keeps an idle device from sleeping. */
const LOOP_SAMPLE_MS = 100;
/** Gauges of the library whose names promise counters. */
const misnamed = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
];

export function addProcessMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_SAMPLE_MS });
  for (const name of misnamed) registry.removeSingleMetric(name);
  new Gauge({
    name: 'modelfleet_build_info',
    help: 'Always 1; the label says which version of modelfleet runs',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version }, 1);
}
