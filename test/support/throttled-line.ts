/** A TCP proxy in front of a port of this machine that lets bytes of one side, by default the server, through at a given speed. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const TICK_MS = 20;

export interface ThrottledLine {
  readonly port: number;
  close(): Promise<void>;
}

export async function throttledLine(
  target: number,
  bytesPerSecond: number,
  throttled: 'server' | 'client' = 'server',
): Promise<ThrottledLine> {
  const sockets = new Set<Socket>();
  const share = Math.max(1, Math.round((bytesPerSecond * TICK_MS) / 1_000));
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        near.destroy();
        far.destroy();
        sockets.delete(socket);
      });
    }
    const [slow, fast] = throttled === 'server' ? [far, near] : [near, far];
    fast.pipe(slow);
    const timer = setInterval(() => {
      const bytes = (slow.read(Math.min(share, slow.readableLength)) ?? undefined) as Buffer | undefined;
      if (bytes) fast.write(bytes);
    }, TICK_MS);
    // Without a listener nothing is read into the buffer that the timer takes from.
    slow.on('readable', () => undefined);
    near.on('close', () => clearInterval(timer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
