import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Authority } from '../../../hub/pki/authority.ts';
import { certificateFingerprint, fetchCa, normalizeFingerprint } from '../../../platform/pinned-tls.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** A TLS server with a CA of its own that counts the application bytes it is sent. */
async function startServer() {
  const authority = await Authority.open(join(await tempFolder(), 'pki'), {
    clock: systemClock,
    advertise: ['localhost'],
  });
  let bytes = 0;
  const server = createTlsServer({ key: authority.serverKeyPem, cert: authority.serverCertPem }, (socket) => {
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return { authority, url: `https://localhost:${port}`, bytesReceived: () => bytes };
}

describe('fetchCa()', () => {
  it('returns the CA with the expected fingerprint, however the fingerprint is written', async () => {
    const { authority, url } = await startServer();
    expect(certificateFingerprint(authority.caPem)).toBe(authority.caSha256);
    const shouting = authority.caSha256.toUpperCase().replace(/(..)(?=.)/g, '$1:');
    for (const fingerprint of [authority.caSha256, shouting]) {
      expect(certificateFingerprint(await fetchCa(url, fingerprint))).toBe(authority.caSha256);
    }
  });

  it('refuses a server with another CA, names both fingerprints, and has sent it nothing', async () => {
    const { authority, url, bytesReceived } = await startServer();
    const wrong = 'ab'.repeat(32);
    await expect(fetchCa(url, wrong)).rejects.toMatchObject({
      code: 'ca_mismatch',
      message: expect.stringMatching(new RegExp(`${wrong}.*${authority.caSha256}`)),
    });
    expect(bytesReceived()).toBe(0);
  });

  it('refuses the fingerprint of the server certificate: it is no CA', async () => {
    const { authority, url } = await startServer();
    const leaf = certificateFingerprint(authority.serverCertPem);
    expect(leaf).not.toBe(authority.caSha256);
    await expect(fetchCa(url, leaf)).rejects.toMatchObject({ code: 'ca_mismatch' });
  });

  it('says that nobody answers', async () => {
    await expect(fetchCa('https://127.0.0.1:1', 'ab'.repeat(32))).rejects.toMatchObject({
      code: 'hub_unreachable',
    });
  });

  it('gives up on a server that never finishes the handshake', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as { port: number };
    await expect(
      fetchCa(`https://127.0.0.1:${port}`, 'ab'.repeat(32), { timeoutMs: 200 }),
    ).rejects.toMatchObject({ code: 'hub_unreachable', message: expect.stringContaining('200 ms') });
  });

  it('refuses text that is no fingerprint', () => {
    expect(() => normalizeFingerprint('sha256')).toThrow('64 hex digits');
  });
});
