/** How many series the page of metrics of a hub has: their number follows what is published, and never how many devices there are. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { addAlertMetrics } from '../../../hub/alerts/alert-metrics.ts';
import { type Database, openDatabase } from '../../../hub/db/database.ts';
import { addDriftMetrics } from '../../../hub/drift/drift-metrics.ts';
import { burnWindowsMs } from '../../../hub/objectives/burn-rate.ts';
import { budgetObjectives } from '../../../shared/api/slos.ts';
import type { ReportedState } from '../../../shared/protocol/reported-state.ts';
import { updateStates } from '../../../shared/protocol/update-event.ts';
import { deviceRow } from '../../support/device-row.ts';
import { RouteCaller } from '../../support/every-route.ts';
import { hubMetrics } from '../../support/hub-metrics.ts';
import { RunningHub } from '../../support/running-hub.ts';

/** As docs/METRICS.md states it. */
const BUDGET = 10_000;
const DEVICES = 1_000;
const GROUPS = 20;
const MODELS = 50;
const VERSIONS = 3;
const MODELS_PER_DEVICE = 8;

const versionOf = (n: number) => `1.${n % VERSIONS}.0`;
const published = Array.from({ length: MODELS * VERSIONS }, (_, i) => ({
  model: `model-${i % MODELS}`,
  version: versionOf(Math.floor(i / MODELS)),
}));

/** Together half of the devices report each version as active and in each state of an update, the most that there can be. */
function reportOf(device: number): ReportedState {
  const digest = 'f'.repeat(64);
  const since = '2026-11-20T10:00:00Z';
  return {
    v: 2,
    at: since,
    sequence: 1,
    facts: {
      agentVersion: '0',
      os: 't',
      arch: 't',
      cpus: 1,
      memoryBytes: 1,
      hostname: 't',
      providers: ['cpu'],
    },
    freeBytes: 1,
    models: Array.from({ length: MODELS_PER_DEVICE }, (_, i) => {
      const n = device * MODELS_PER_DEVICE + i;
      const version = versionOf(Math.floor(n / MODELS));
      const state = updateStates[Math.floor(n / published.length) % updateStates.length]!;
      return {
        model: `model-${n % MODELS}`,
        active: { version, manifest: digest, release: 1 },
        previous: [],
        update: { version, state, since },
        quarantined: [],
      };
    }),
    conditions: [{ code: 'not_connected', severity: device % 2 === 0 ? 'error' : 'warning', text: 'x' }],
  };
}

/** Their files are not there: a hub that starts would refuse, one that runs does not look. */
async function addVersions(database: Database): Promise<void> {
  for (const [i, { model, version }] of published.entries()) {
    await database
      .insertInto('model')
      .values({ name: model, created_at: 1 })
      .onConflict((c) => c.doNothing())
      .execute();
    const row = { model, version, release: i + 1, published_at: 1, published_by: 'test' };
    const digest = createHash('sha256').update(`${model} ${version}`).digest('hex');
    const rest = {
      manifest_sha256: digest,
      manifest: Buffer.from('{}'),
      withdrawn_at: null,
      withdrawn_reason: null,
    };
    await database
      .insertInto('version')
      .values({ ...row, ...rest })
      .execute();
  }
}

async function addDevices(database: Database, devices: number): Promise<void> {
  for (let i = 0; i < devices; i += 1) {
    const serials = { certificate_serial: `s-${i}`, certificate_sha256: `s-${i}` };
    const group = `group-${i % GROUPS}`;
    const row = {
      ...deviceRow(`d-${i}`),
      ...serials,
      device_group: group,
      reported: JSON.stringify(reportOf(i)),
      reported_at: 1,
    };
    await database.insertInto('device').values(row).execute();
  }
}

const seriesOn = (page: string) =>
  page.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;

/** Without what depends on the machine and on how requests were answered. */
const ofFleet = (page: string) =>
  page
    .split('\n')
    .filter((line) => /^modelfleet_(?!http_)/.test(line))
    .join('\n');

/** What DriftWatch shows of versions that it has assessed. */
async function driftSeries(): Promise<number> {
  const metrics = new Registry();
  const assessed = published.flatMap((version) =>
    (['hour', 'day'] as const).map((span) => ({
      span,
      at: 0,
      report: {
        ...version,
        fromMs: 0,
        toMs: 1,
        level: 0.01,
        verdict: 'stable' as const,
        features: [],
        devicesSeen: 1,
        devicesDrifted: 0,
      },
    })),
  );
  addDriftMetrics(metrics, { assessed: () => assessed });
  return seriesOn(await metrics.metrics());
}

/** What the hub shows of models each of which has every objective. */
async function objectiveSeries(): Promise<number> {
  const metrics = new Registry();
  const windows = burnWindowsMs.map((windowMs) => ({ windowMs, all: 1, bad: 0, burnRate: 0 }));
  const budgets = budgetObjectives.map((objective) => ({
    ...{ objective, target: 0.99, periodMs: 1, all: 1, bad: 0, left: 1 },
    windows,
  }));
  const latest = Array.from({ length: MODELS }, (_, i) => ({
    ...{ model: `model-${i}`, source: 'set' as const, objectives: {}, evaluatedAt: 0 },
    budgets,
  }));
  addAlertMetrics(metrics, {
    objectives: { latest: () => latest },
    store: { live: async () => [] },
    watch: { failures: 0, evaluatedAt: 0 },
    receivers: { counts: new Map(), backlogs: async () => [] },
  });
  return seriesOn(await metrics.metrics());
}

/** Of a hub on which every route was called, with and without a token that is known. */
async function pageOfHub(devices: number): Promise<string> {
  const hub = await RunningHub.start();
  try {
    const database = await openDatabase(join(hub.data, 'hub.db'));
    await addDevices(database, devices);
    await hub.restart();
    await addVersions(database);
    await database.destroy();
    await new RouteCaller(hub, hub.adminToken).everyRoute();
    await new RouteCaller(hub, 'wrong').everyRoute();
    const models = async () => new Set((await hubMetrics(hub)).match(/model="model-\d+"/g)).size;
    await expect.poll(models).toBe(MODELS);
    return await hubMetrics(hub);
  } finally {
    await hub.stop();
  }
}

it('stays within its budget with 1 000 devices and 50 models, and does not follow the devices', async () => {
  const few = await pageOfHub(DEVICES / 2);
  const many = await pageOfHub(DEVICES);
  expect(seriesOn(ofFleet(many))).toBe(seriesOn(ofFleet(few)));
  const all = seriesOn(many) + (await driftSeries()) + (await objectiveSeries());
  expect(all).toBeLessThan(BUDGET);
}, 60_000);
