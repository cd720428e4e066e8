/** The list of a rollout's devices against a running hub: pages, statuses that the clock decides on, removed devices. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { storeRollouts } from '../../../support/stored-rollouts.ts';

const id = 'r-00000000000a';
const path = `/rollouts/${id}/devices`;
let hub: RunningHub;

interface Page {
  readonly devices: readonly Readonly<Record<string, unknown>>[];
  readonly next?: string;
}
const page = async (query: Record<string, string | number | undefined> = {}) =>
  (await hub.client.get(path, query)) as Page;

/** Names of the devices, read in pages of two. */
async function names(query: Record<string, string> = {}): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let after: string | undefined; ; ) {
    const { devices, next } = await page({ ...query, after, limit: 2 });
    found.push(...devices.map(({ device }) => device));
    if (next === undefined) return found;
    after = next;
  }
}

beforeAll(async () => {
  hub = await RunningHub.start();
  await storeRollouts(hub.data, [{ id, createdAt: 1_000 }]);
  const database = await openDatabase(join(hub.data, 'hub.db'));
  const fault = JSON.stringify({ code: 'version_left', message: 'It left.', retry: 'never' });
  const devices = [
    { status: 'succeeded', offered_at: 2_000, last_reported_at: 3_000 },
    { status: 'failed', offered_at: 2_000, fault },
    { status: 'succeeded', offered_at: 2_000, removed_at: 4_000 },
    { status: 'downloading', offered_at: 2_000 },
  ];
  for (const [index, device] of devices.entries()) {
    await database
      .insertInto('rollout_device')
      .values({
        rollout_id: id,
        device_id: `d${index + 1}`,
        ordinal: index + 1,
        assigned: 1,
        changed_at: 1_500,
        ...device,
      })
      .execute();
  }
  await database.destroy();
}, 60_000);
afterAll(() => hub?.stop());

describe('the devices of a rollout', () => {
  it('come in its order, page by page, both ways', async () => {
    const all = ['d0', 'd1', 'd2', 'd3', 'd4'];
    expect(await names()).toEqual(all);
    expect(await names({ sort: '-ordinal' })).toEqual(all.toReversed());
  });

  it('have their phase, status, times and fault', async () => {
    expect((await page()).devices).toMatchObject([
      { device: 'd0', ordinal: 0, phase: 1, status: 'pending', since: 1_000 },
      { device: 'd1', phase: 1, status: 'succeeded', offeredAt: 2_000, lastReportedAt: 3_000 },
      { device: 'd2', phase: 1, status: 'failed', fault: { code: 'version_left' } },
      { device: 'd3', status: 'removed', since: 4_000 },
      { device: 'd4', phase: 1 },
    ]);
    expect((await page()).devices[3]).not.toHaveProperty('phase');
  });

  it('are found by a status, also one that the clock decides on', async () => {
    const ends = (await page()).devices.map(({ device, status }) => [device, status]);
    for (const [device, status] of ends) expect(await names({ status: String(status) })).toEqual([device]);
    expect(await names({ status: 'rejected' })).toEqual([]);
  });

  it('are each given once while devices of the hub are removed between pages', async () => {
    const first = await page({ limit: 2 });
    const database = await openDatabase(join(hub.data, 'hub.db'));
    await database
      .updateTable('rollout_device')
      .set({ removed_at: 5_000 })
      .where('device_id', '=', 'd0')
      .execute();
    const rest = await page({ after: first.next });
    expect([...first.devices, ...rest.devices].map(({ device }) => device)).toEqual([
      'd0',
      'd1',
      'd2',
      'd3',
      'd4',
    ]);
    await database
      .updateTable('rollout_device')
      .set({ removed_at: null })
      .where('device_id', '=', 'd0')
      .execute();
    await database.destroy();
  });

  it('are those of no rollout that there is not, and a status that there is not is refused', async () => {
    await expect(hub.client.get('/rollouts/r-ffffffffffff/devices')).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(page({ status: 'lost' })).rejects.toMatchObject({ code: 'bad_input' });
    await expect(page({ sort: 'device' })).rejects.toMatchObject({ code: 'bad_input' });
    await expect(page({ after: 'd0' })).rejects.toMatchObject({ code: 'bad_input' });
  });
});
