import { once } from 'node:events';
import { connect } from 'node:tls';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AedesBroker } from '../../../../hub/broker/aedes-broker.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { connectPacket } from '../../../support/mqtt-bytes.ts';

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a device that resumes its session of %s', (version) => {
  it('is known by its certificate as before, and refused once it is not admitted any more', async () => {
    const world = await BrokerWorld.make();
    onTestFinished(() => world.remove());
    const { authority } = world;
    let isAdmitted = true;
    const broker = new AedesBroker({
      tls: { key: authority.serverKeyPem, cert: authority.serverCertPem, ca: authority.caPem },
      listen: { host: '127.0.0.1', port: 0 },
      isAdmitted: async () => isAdmitted,
      logger: pino({ level: 'silent' }),
    });
    await broker.start({
      message: async () => undefined,
      connected: () => undefined,
      disconnected: () => undefined,
    });
    onTestFinished(() => broker.close());
    const { key, cert } = world.credentials('d-1');
    let session: Buffer | undefined;
    /** Whether the session was resumed, and the answer to CONNECT. */
    const connected = async () => {
      const socket = connect({
        ...{ host: 'localhost', port: broker.port, ca: authority.caPem, key, cert },
        ...{ minVersion: version, maxVersion: version, session },
      });
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => undefined).on('session', (ticket: Buffer) => (session = ticket));
      await once(socket, 'secureConnect');
      socket.write(connectPacket(Buffer.from('d-1')));
      const [connack] = (await once(socket, 'data')) as [Buffer];
      return [socket.isSessionReused(), connack[3]];
    };
    expect(await connected()).toEqual([false, 0]);
    expect(await connected()).toEqual([true, 0]);
    isAdmitted = false;
    expect(await connected()).toEqual([true, 5]);
  });
});
