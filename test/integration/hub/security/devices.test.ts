/** What a device is refused leaves a trace, which it cannot fill: real MQTT over TLS, real SQLite. */
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AuditLog } from '../../../../hub/audit/audit-log.ts';
import type { AedesBroker } from '../../../../hub/broker/aedes-broker.ts';
import { type Database, openDatabase } from '../../../../hub/db/database.ts';
import { SecurityEvents } from '../../../../hub/security/security-events.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { type LoggedLine, loggedLines } from '../../../support/logged.ts';
import { connectPacket, publishPacket, subscribePacket } from '../../../support/mqtt-bytes.ts';

describe('refusals of devices', () => {
  let world: BrokerWorld;
  let database: Database;
  let audit: AuditLog;
  let security: SecurityEvents;
  let broker: AedesBroker;
  let lines: LoggedLine[];
  beforeAll(async () => {
    world = await BrokerWorld.make();
  });
  afterAll(() => world.remove());
  beforeEach(async () => {
    const logged = loggedLines();
    lines = logged.lines;
    database = await openDatabase(':memory:');
    audit = new AuditLog({ database, clock: systemClock });
    security = new SecurityEvents({
      append: (rows) => audit.appendAll(rows),
      clock: systemClock,
      logger: logged.logger,
    });
    broker = await world.startBroker({
      isAdmitted: async (deviceId) => deviceId !== 'removed',
      logger: logged.logger,
      refusals: security,
    });
  });
  afterEach(async () => {
    world.endClients();
    await broker.close();
    await database.destroy();
  });

  const ended = async (socket: TLSSocket) => {
    socket.resume();
    if (!socket.closed) await once(socket, 'close');
  };
  const admitted = async (deviceId: string): Promise<TLSSocket> => {
    const socket = await world.socket(broker, deviceId);
    socket.write(connectPacket(Buffer.from(deviceId)));
    await once(socket, 'data');
    return socket;
  };
  /** All there is to tell, as rows. */
  const rows = async () => {
    await security.close();
    return (await audit.list({ action: 'security' })).map(({ actor, action, details }) => ({
      actor,
      action,
      ...details,
    }));
  };
  const count = (kind: Parameters<ReturnType<SecurityEvents['counts']>['get']>[0]) =>
    security.counts().get(kind)!;

  it('that send 10 000 messages on topics of others write a few lines and one row, and a quiet neighbour is still seen', async () => {
    const flood = publishPacket('mf/1/d/other/events', Buffer.from('x'));
    while (count('publish') < 10_000) {
      const socket = await admitted('loud');
      socket.write(Buffer.concat(Array<Buffer>(2_000).fill(flood)));
      await ended(socket);
    }
    const quiet = await admitted('quiet');
    quiet.write(subscribePacket(1, ['mf/1/d/#']));
    await once(quiet, 'data');
    const told = await rows();
    expect(told).toContainEqual(
      expect.objectContaining({ actor: 'device:quiet', action: 'security.subscribe', count: 1 }),
    );
    expect(told).toContainEqual(
      expect.objectContaining({
        actor: 'device:loud',
        action: 'security.publish',
        count: count('publish'),
        reasons: ['topic of another device'],
      }),
    );
    expect(told.length).toBeLessThan(4);
    expect(lines.filter(({ actor }) => actor === 'device:loud').length).toBeLessThan(4);
    expect(lines.filter(({ actor }) => actor === 'device:quiet')).toHaveLength(1);
  });

  it('say which topic filters were denied', async () => {
    const socket = await admitted('curious');
    for (let n = 0; n < 60; n += 1) socket.write(subscribePacket(n + 1, [`mf/1/d/dev-${n}/#`]));
    await expect.poll(() => count('subscribe')).toBe(60);
    expect(await rows()).toMatchObject([
      {
        actor: 'device:curious',
        action: 'security.subscribe',
        count: 60,
        reasons: ['not for this device: mf/1/d/dev-0/#', expect.anything(), expect.anything()],
      },
    ]);
    expect(lines.filter(({ msg }) => msg === 'subscription of a device refused')).toHaveLength(1);
  });

  it('tell a removed device, a false client id, a malformed packet and one that is too long apart', async () => {
    await expect(world.connect(broker, 'removed')).rejects.toThrow();
    await expect(world.connect(broker, 'liar', { clientId: 'another' })).rejects.toThrow();
    const malformed = await admitted('broken');
    malformed.write(Buffer.from([0xf0, 0]));
    await ended(malformed);
    const long = await admitted('long');
    long.write(Buffer.from([0x32, 0xff, 0xff, 0xff, 0x7f]));
    await ended(long);
    const told = await rows();
    expect(told).toContainEqual(
      expect.objectContaining({
        actor: 'device:removed',
        action: 'security.connect',
        reasons: ['the device was removed, or has a newer certificate'],
      }),
    );
    expect(told).toContainEqual(
      expect.objectContaining({ actor: 'device:liar', action: 'security.connect' }),
    );
    expect(told).toContainEqual(
      expect.objectContaining({ actor: 'device:broken', action: 'security.packet' }),
    );
    expect(told).toContainEqual(expect.objectContaining({ actor: 'device:long', action: 'security.packet' }));
  });
});
