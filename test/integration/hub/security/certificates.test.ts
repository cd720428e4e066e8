/** Certificates of the hub's own CA that let nobody in: real TLS, an enrolled device. */
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceIdentity } from '../../../../agent/connection/identity.ts';
import type { CertificatePlan } from '../../../../hub/pki/certificate.ts';
import { deviceClient } from '../../../support/broker-world.ts';
import { ConnectionHub, operator } from '../../../support/connection-hub.ts';

const HOUR = 3_600_000;

describe('certificates that are refused', () => {
  let hub: ConnectionHub;
  beforeAll(async () => {
    hub = await ConnectionHub.start();
  });
  afterAll(() => hub.stop());

  const connectWith = async (plan: Partial<CertificatePlan>) => {
    const identity = await hub.certificateFor('dev', { hosts: [], ...plan });
    const socket = connect({
      host: 'localhost',
      port: hub.broker.port,
      ca: hub.authority.caPem,
      ...identity,
    });
    socket.on('error', () => undefined);
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  };
  const told = () => hub.refused.splice(0);

  it.each([
    ['has expired', { purpose: 'device', notBefore: 0, notAfter: Date.now() - HOUR }, 'CERT_HAS_EXPIRED'],
    [
      'is not valid yet',
      { purpose: 'device', notBefore: Date.now() + HOUR, notAfter: Date.now() + 2 * HOUR },
      'CERT_NOT_YET_VALID',
    ],
    ['is of a server', { purpose: 'server', hosts: ['dev'] }, 'INVALID_PURPOSE'],
    ['names no device', { purpose: 'device', commonName: 'no device' }, 'it names no device'],
  ] as const)('are told with the address and the reason when one %s', async (_what, plan, reason) => {
    await connectWith(plan);
    await expect.poll(() => hub.refused).toHaveLength(1);
    expect(told()).toMatchObject([
      { kind: 'certificate', address: expect.stringContaining('127.0.0.1'), reason },
    ]);
  });

  it('are told with the name of the device when it was removed, or enrolled anew', async () => {
    const before: DeviceIdentity = await hub.enrol('gone');
    await hub.devices.remove('gone', operator);
    await expect(deviceClient(hub, before)).rejects.toThrow();
    await hub.enrol('gone', `${hub.folder}/anew`);
    await expect(deviceClient(hub, before)).rejects.toThrow();
    const refusal = {
      kind: 'connect',
      actor: 'device:gone',
      reason: 'the device was removed, or has a newer certificate',
    };
    expect(told()).toMatchObject([refusal, refusal]);
  });
});
