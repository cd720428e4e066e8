import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { DeviceIdentity } from '../../../agent/connection/identity.ts';
import { connectPinned } from '../../../platform/pinned-tls.ts';
import { ConnectionHub } from '../../support/connection-hub.ts';

const day = 86_400_000;

describe('connectPinned()', () => {
  let hub: ConnectionHub;
  let stranger: ConnectionHub;
  let identity: DeviceIdentity;
  beforeAll(async () => {
    [hub, stranger] = await Promise.all([ConnectionHub.start(), ConnectionHub.start()]);
    identity = await hub.enrol('pinned-1');
  });
  afterAll(() => Promise.all([hub.stop(), stranger.stop()]));

  /** Connects to a server with this certificate, at a time that is proven; counts what the server was sent. */
  const attempt = async (tls: { readonly key: string; readonly cert: string }, provenDays = 0) => {
    let bytes = 0;
    const server = createServer(tls, (socket) => {
      socket.on('data', (data) => (bytes += data.length));
      socket.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const provenNow = () => Date.now() + provenDays * day;
    // Nobody shows the hub's time.
    const { hub: _, ...pinned } = identity;
    const socket = await connectPinned({ ...pinned, host: 'localhost', port, provenNow }).catch((error) => {
      expect(bytes).toBe(0);
      throw error;
    });
    socket.destroy();
  };
  const later = { notBefore: Date.now() + 390 * day, notAfter: Date.now() + 800 * day };

  it('takes the hub’s certificate', async () => {
    await attempt(await hub.certificateFor('localhost'));
  });

  it('takes one "not yet valid" by the system clock when the proven time is within it', async () => {
    await attempt(await hub.certificateFor('localhost', later), 400);
  });

  it.each([
    [0, 'nothing', 'clock_skew'],
    [300, 'an earlier time', 'clock_skew'],
    [900, 'a time after its end', 'certificate_not_valid_now'],
  ])('refuses one when %d days of proven time make it %s: %s', async (provenDays, _what, code) => {
    await expect(attempt(await hub.certificateFor('localhost', later), provenDays)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/valid from .* to .* this machine's clock shows .*/),
    });
  });

  it('says "clock" of a certificate that has ended, which a clock far ahead makes of every one', async () => {
    const ended = await hub.certificateFor('localhost', {
      notBefore: Date.now() - 20 * day,
      notAfter: Date.now() - 10 * day,
    });
    // Nothing proves an earlier time: the floor only lifts the clock.
    await expect(attempt(ended, -15)).rejects.toMatchObject({ code: 'certificate_not_valid_now' });
  });

  it('is as strict as TLS about everything else, now and at a proven time', async () => {
    for (const time of [{}, later]) {
      const wrong = [
        await hub.certificateFor('elsewhere.example', time),
        await hub.certificateFor('localhost', { ...time, purpose: 'device' }),
        await stranger.certificateFor('localhost', time),
      ];
      for (const certificate of wrong) {
        await expect(attempt(certificate, 'notBefore' in time ? 400 : 0)).rejects.toMatchObject({
          code: 'ca_mismatch',
        });
      }
    }
  });

  it('gives up a server that does not shake hands, and when it is told to', async () => {
    const { createServer: createTcpServer } = await import('node:net');
    const server = createTcpServer((socket) => socket.on('error', () => undefined));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const options = { ...identity, host: 'localhost', port, provenNow: Date.now };
    await expect(connectPinned({ ...options, timeoutMs: 50 })).rejects.toThrow(/did not answer within 50 ms/);
    const stop = new AbortController();
    const connecting = connectPinned({ ...options, signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(connecting).rejects.toThrow('enough');
  });
});
