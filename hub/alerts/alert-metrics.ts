/** Objectives, alerts and their deliveries, for `/metrics`. Labels are models, rules and receivers: never devices. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { SloStatus } from '../../shared/api/slos.ts';
import type { AlertStore } from './alert-store.ts';
import type { AlertWatch } from './alert-watch.ts';
import type { Receivers } from './receivers.ts';

export interface MeasuredAlerts {
  readonly objectives: { latest(): readonly SloStatus[] };
  readonly store: Pick<AlertStore, 'live'>;
  readonly watch: Pick<AlertWatch, 'failures' | 'evaluatedAt'>;
  readonly receivers: Pick<Receivers, 'counts' | 'backlogs'>;
}

export function addAlertMetrics(
  metrics: Registry,
  { objectives, store, watch, receivers }: MeasuredAlerts,
): void {
  const registers = [metrics];
  new Gauge({
    name: 'modelfleet_slo_burn_rate',
    help: 'How many times faster than allowed the error budget of the objective is spent, over the window in seconds',
    labelNames: ['model', 'group', 'objective', 'window'],
    registers,
    collect() {
      this.reset();
      for (const { model, group = '', budgets } of objectives.latest()) {
        for (const { objective, windows } of budgets) {
          for (const { windowMs, burnRate } of windows) {
            this.set({ model, group, objective, window: windowMs / 1_000 }, burnRate);
          }
        }
      }
    },
  });
  new Gauge({
    name: 'modelfleet_slo_error_budget_left',
    help: 'Share of the error budget of the objective that is left; below 0 when it is overspent',
    labelNames: ['model', 'group', 'objective'],
    registers,
    collect() {
      this.reset();
      for (const { model, group = '', budgets } of objectives.latest()) {
        for (const { objective, left } of budgets) this.set({ model, group, objective }, left);
      }
    },
  });
  new Gauge({
    name: 'modelfleet_alerts',
    help: 'Alerts that are not resolved, by rule, severity and state',
    labelNames: ['code', 'severity', 'state'],
    registers,
    async collect() {
      const live = await store.live();
      this.reset();
      for (const { code, severity, state } of live) this.inc({ code, severity, state });
    },
  });
  new Gauge({
    name: 'modelfleet_alerts_evaluated_timestamp_seconds',
    help: 'When alerts were last evaluated, in seconds since the epoch; NaN before the first time',
    registers,
    collect() {
      this.set(watch.evaluatedAt === undefined ? Number.NaN : watch.evaluatedAt / 1_000);
    },
  });
  new Counter({
    name: 'modelfleet_alerts_evaluation_failures_total',
    help: 'Evaluations of alerts that failed, of one model or of all',
    registers,
    collect() {
      this.reset();
      this.inc(watch.failures);
    },
  });
  new Counter({
    name: 'modelfleet_alert_deliveries_total',
    help: 'Tries to deliver notifications by receiver and outcome: delivered, failed, or dead when it was given up',
    labelNames: ['receiver', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const [receiver, counts] of receivers.counts) {
        for (const [outcome, count] of Object.entries(counts)) this.inc({ receiver, outcome }, count);
      }
    },
  });
  new Gauge({
    name: 'modelfleet_alert_deliveries_waiting',
    help: 'Notifications that wait for their receiver',
    labelNames: ['receiver'],
    registers,
    async collect() {
      const backlogs = await receivers.backlogs();
      this.reset();
      for (const receiver of receivers.counts.keys()) this.set({ receiver }, 0);
      for (const { receiver, waiting } of backlogs) this.set({ receiver }, waiting);
    },
  });
}
