/** What the hub counts of its fleet after a start is of stored reports, and some of them may be damaged. */
import { expect, it, onTestFinished } from 'vitest';
import { AuditLog } from '../../../../hub/audit/audit-log.ts';
import { openDatabase } from '../../../../hub/db/database.ts';
import { DeviceService } from '../../../../hub/devices/device-service.ts';
import { DeviceStore } from '../../../../hub/devices/device-store.ts';
import { DeviceInbox } from '../../../../hub/inbox/device-inbox.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { deviceRow } from '../../../support/device-row.ts';
import { loggedLines } from '../../../support/logged.ts';

const report = JSON.stringify({
  v: 2,
  models: [{ model: 'air', active: { version: '1.0.0' }, previous: [], quarantined: [] }],
  conditions: [],
});
const { signal } = new AbortController();

async function world(makeStore: (store: DeviceStore) => DeviceStore = (store) => store) {
  const database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  const { logger, lines } = loggedLines();
  const service = new DeviceService({
    store: makeStore(new DeviceStore(database)),
    inbox: new DeviceInbox({ database, logger }),
    audit: new AuditLog({ database, clock: systemClock }),
    clock: systemClock,
    logger,
    connections: { isConnected: () => false, disconnect: () => undefined, send: async () => false },
  });
  const rows = ['a', 'damaged', 'z'].map((id) => ({
    ...deviceRow(id),
    certificate_serial: id,
    certificate_sha256: id,
    reported: id === 'damaged' ? '{"models":' : report,
    reported_at: 1,
  }));
  await database.insertInto('device').values(rows).execute();
  return { service, lines };
}

it('a damaged report is logged with its device, and the others are counted', async () => {
  const { service, lines } = await world();
  await service.loadCensus(signal);
  expect(service.census.versions()).toEqual([
    { model: 'air', version: '1.0.0', state: 'active', devices: 2 },
  ]);
  expect(lines).toEqual([
    expect.objectContaining({ device: 'damaged', msg: 'the stored report of a device cannot be read' }),
  ]);
});

it('a database that cannot be read leaves the fleet uncounted, and the hub running', async () => {
  const { service, lines } = await world((store) => {
    store.reported = () => Promise.reject(new Error('disk I/O error'));
    return store;
  });
  await service.loadCensus(signal);
  expect(service.census.versions()).toEqual([]);
  expect(lines.map(({ msg }) => msg)).toEqual(['the devices could not be counted for the metrics']);
});
