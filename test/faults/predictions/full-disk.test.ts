import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PredictionStore } from '../../../agent/telemetry/prediction-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { labelledVersion, storeProps } from '../../support/prediction-stores.ts';
import { canMount, fillDisk, smallDisk } from '../../support/small-disk.ts';

const version = labelledVersion();
const large = (id: string) => ({ id, rows: ['x'.repeat(1_000)] });

describe.runIf(canMount)('predictions on a full disk', () => {
  async function world() {
    const root = await smallDisk(600);
    const folder = join(root, 'predictions');
    const clock = new ManualClock();
    const open = () => PredictionStore.open({ ...storeProps(folder, clock), bytesMax: 2 ** 20 });
    return { root, folder, clock, open };
  }

  it('error in a write: it says so, takes labels for what is in memory, and stores all of it once there is space', async () => {
    const { root, open, clock } = await world();
    const store = await open();
    store.keep(version, large('before'));
    await store.flush();
    const empty = await fillDisk(root);
    for (let i = 0; i < 20; i += 1) store.keep(version, large(`full-${i}`));
    store.setLabelled((await store.find('m', 'before'))!);
    await store.flush();
    expect(store.fault).toContain('the disk is full');
    expect((await store.find('m', 'full-0'))!.rows).toHaveLength(1);
    await empty();
    // It tries again by itself.
    clock.advance(1_000);
    await expect.poll(() => store.fault).toBeUndefined();
    await store.close();

    const after = await open();
    expect(after.isLabelled((await after.find('m', 'before'))!)).toBe(true);
    expect(await after.find('m', 'full-19')).toBeDefined();
    expect(after.lost).toBe(0);
    await after.close();
  });

  it('error for long: memory stays bounded, and what was given up is counted', async () => {
    const { root, folder, open } = await world();
    const store = await open();
    store.keep(version, large('before'));
    await store.flush();
    const empty = await fillDisk(root);
    const kept = 2_000;
    for (let i = 0; i < kept; i += 1) {
      store.keep(version, large(`full-${i}`));
      if (i % 100 === 0) await store.flush();
    }
    await store.flush();
    expect(store.fault).toContain('the disk is full');
    expect(store.lost).toBeGreaterThan(kept / 2);
    expect(store.lost).toBeLessThan(kept);
    expect(await store.find('m', 'before')).toBeDefined();
    expect(await store.find('m', `full-${kept - 1}`)).toBeDefined();
    expect(await store.find('m', 'full-500')).toBeUndefined();
    await empty();
    await store.close();
    expect(store.fault).toBeUndefined();
    // The one from before, and what was kept in memory.
    expect((await readdir(folder)).length).toBeLessThanOrEqual(3);
    const after = await open();
    expect(await after.find('m', 'before')).toBeDefined();
    expect(await after.find('m', `full-${kept - 1}`)).toBeDefined();
    // A write that was cut short may have saved some of those that were given up.
    expect(after.count).toBeGreaterThanOrEqual(kept + 1 - store.lost);
    expect(after.count).toBeLessThan(kept / 2);
    await after.close();
  });

  it('error at the first start: a disk without space for the folder does not hold up the agent', async () => {
    const { root, open, clock } = await world();
    const empty = await fillDisk(root);
    const store = await open();
    store.keep(version, large('a'));
    await store.flush();
    expect(await store.find('m', 'a')).toBeDefined();
    await empty();
    clock.advance(1_000);
    await store.close();
    expect(store.fault).toBeUndefined();
    const after = await open();
    expect(await after.find('m', 'a')).toBeDefined();
    await after.close();
  });

  it('error from the start on: answers are kept in memory until there is space', async () => {
    const { root, folder, open, clock } = await world();
    const made = await open();
    await made.close();
    const empty = await fillDisk(root);
    const store = await open();
    for (const id of ['a', 'b', 'c', 'd', 'e']) store.keep(version, large(id));
    await store.flush();
    expect(store.fault).toBeDefined();
    expect(await store.find('m', 'a')).toBeDefined();
    await empty();
    clock.advance(1_000);
    await expect.poll(() => store.fault).toBeUndefined();
    expect(await readdir(folder)).toHaveLength(1);
    await store.close();
  });
});
