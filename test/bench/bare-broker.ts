/** What our hub is compared with: aedes on the same TLS, without one line of ours. */
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { Aedes } from 'aedes';
import type { Authority } from '../../hub/pki/authority.ts';

export async function startBareBroker(authority: Authority) {
  const aedes = await Aedes.createBroker({ concurrency: 10_000 });
  const server = createServer(
    {
      key: authority.serverKeyPem,
      cert: authority.serverCertPem,
      ca: authority.caPem,
      requestCert: true,
      noDelay: true,
    },
    (socket) => aedes.handle(socket),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => aedes.close(resolve));
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { aedes, port: (server.address() as AddressInfo).port, close };
}
