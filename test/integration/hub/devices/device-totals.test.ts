import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import { DeviceStore } from '../../../../hub/devices/device-store.ts';
import { deviceRow } from '../../../support/device-row.ts';

async function openStore() {
  const database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  const store = new DeviceStore(database);
  const admit = (id: string, group: string, expiresAt = 10) =>
    store.transaction((tx) =>
      store.admit({ ...deviceRow(id), device_group: group, certificate_expires_at: expiresAt }, tx),
    );
  return { store, admit };
}

describe('totals of devices', () => {
  it('follow enrolments, moves, removals and enrolments under the id of a removed device', async () => {
    const { store, admit } = await openStore();
    for (const id of ['a', 'b', 'c']) await admit(id, 'lab');
    expect(await store.totals()).toEqual([{ group: 'lab', devices: 3 }]);
    await store.update('a', { device_group: 'field' });
    await store.update('b', { last_seen_at: 5 });
    expect(await store.totals()).toEqual([
      { group: 'field', devices: 1 },
      { group: 'lab', devices: 2 },
    ]);
    await store.update('a', { revoked_at: 7 });
    expect(await store.totals()).toEqual([{ group: 'lab', devices: 2 }]);
    await admit('a', 'lab');
    expect(await store.totals()).toEqual([{ group: 'lab', devices: 3 }]);
    await store.update('a', { revoked_at: 8 });
    await store.transaction((tx) => store.forgetRemoved(['a'], tx));
    expect(await store.totals()).toEqual([{ group: 'lab', devices: 2 }]);
  });

  it('say when the first certificate expires, removed devices left out', async () => {
    const { store, admit } = await openStore();
    expect(await store.certificateExpiry(1_000)).toEqual({ firstAt: undefined, before: 0 });
    await admit('a', 'lab', 100);
    await admit('b', 'lab', 200);
    await admit('c', 'lab', 2_000);
    await store.update('a', { revoked_at: 7 });
    expect(await store.certificateExpiry(1_000)).toEqual({ firstAt: 200, before: 1 });
  });
});
