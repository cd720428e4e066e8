import { CompiledQuery, type KyselyPlugin, type RootOperationNode } from 'kysely';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../../hub/db/database.ts';
import { DeviceStore } from '../../../hub/devices/device-store.ts';
import { RolloutHistoryStore } from '../../../hub/rollout/rollout-history-store.ts';
import { RolloutStore } from '../../../hub/rollout/rollout-store.ts';
import { ActivityStore } from '../../../hub/telemetry/device-hours/activity-store.ts';
import { DeviceHourStore } from '../../../hub/telemetry/device-hours/device-hour-store.ts';
import { EvidenceStore } from '../../../hub/telemetry/evidence-store.ts';
import { RollupStore } from '../../../hub/telemetry/rollups/rollup-store.ts';

/** How SQLite finds the rows of the queries that `work` asks. */
async function plansOf(work: (database: Database) => Promise<unknown>): Promise<string[]> {
  const database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  const asked: { readonly node: RootOperationNode; readonly queryId: { readonly queryId: string } }[] = [];
  const plugin: KyselyPlugin = {
    transformQuery: ({ node, queryId }) => {
      asked.push({ node, queryId });
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  await work(database.withPlugin(plugin));
  const plans: string[] = [];
  for (const { node, queryId } of asked) {
    const { sql, parameters } = database.getExecutor().compileQuery(node, queryId);
    const { rows } = await database.executeQuery<{ detail: string }>(
      CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]),
    );
    plans.push(rows.map(({ detail }) => detail).join('; '));
  }
  return plans;
}

describe('what the hub looks for again and again', () => {
  it('is found without reading rollouts that ended', async () => {
    const [plan] = await plansOf((database) => new RolloutStore(database).unfinished());
    expect(plan).toContain('rollout_by_status');
    expect(plan).toContain('rollout_device_assigned');
    expect(plan).not.toMatch(/SCAN rollout/);
  });

  it('is found without sorting all events of a device', async () => {
    const plans = await plansOf(async (database) => {
      const store = new DeviceStore(database);
      await store.events('dev', 10);
      await database.transaction().execute((tx) => store.trimEvents('dev', tx));
    });
    expect(plans).toHaveLength(2);
    for (const plan of plans) {
      expect(plan).toContain('device_event_by_device');
      expect(plan).not.toContain('TEMP B-TREE');
    }
  });

  it('is found without reading what stays, when what was kept long enough is to leave', async () => {
    const plans = await plansOf(async (database) => {
      await new RolloutHistoryStore(database).due(1e12, { limit: 1 });
      await new DeviceStore(database).removeEventsBefore(1e12, 10);
      await new DeviceStore(database).removedBefore(1e12, 10);
      await new DeviceHourStore(database).removeBefore(1e12, 10);
      await new RollupStore(database).removeBefore({ spanMs: 60_000, beforeMs: 1e12 }, 10);
      await new ActivityStore(database).removeBefore(1e12, 10);
      await new EvidenceStore(database).removeBefore(1e12, 10);
    });
    expect(plans).toHaveLength(7);
    expect(plans[0]).toMatch(/rollout_ended.*desired_model_by_rollout/);
    expect(plans[1]).toContain('device_event_by_time');
    expect(plans[2]).toContain('device_removed');
    expect(plans[3]).toContain('telemetry_device_hour_by_time');
    expect(plans[4]).toContain('telemetry_rollup_by_time');
    expect(plans[5]).toContain('telemetry_activity_by_time');
    expect(plans[6]).toContain('telemetry_evidence_by_time');
    for (const plan of plans) expect(plan).not.toMatch(/SCAN (?!\w*subquery)|TEMP B-TREE/);
  });
});
