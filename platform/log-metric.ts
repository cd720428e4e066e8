import { Counter, type Registry } from 'prom-client';

/** Shows how many log lines were lost since the start. */
export function addLogMetric(registry: Registry, lost: () => number): void {
  new Counter({
    name: 'modelfleet_log_lines_lost_total',
    help: 'Log lines lost because nothing read them',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(lost());
    },
  });
}
