/** What our hub is compared with where it is installed: Eclipse Mosquitto with certificates of the same CA. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Authority } from '../../hub/pki/authority.ts';

/** Path of the program, or undefined when there is none. */
export async function findMosquitto(): Promise<string | undefined> {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(folder, 'mosquitto');
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

export async function startMosquitto(program: string, authority: Authority) {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-mosquitto-'));
  const port = await freePort();
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const config = [
    'per_listener_settings false',
    `listener ${port} 127.0.0.1`,
    `cafile ${await file('ca.pem', authority.caPem)}`,
    `certfile ${await file('cert.pem', authority.serverCertPem)}`,
    `keyfile ${await file('key.pem', authority.serverKeyPem)}`,
    'require_certificate true',
    'allow_anonymous true',
    'set_tcp_nodelay true',
    'persistence false',
    'log_dest none',
    // Otherwise it becomes a user that may not read the files above.
    ...(process.getuid?.() === 0 ? ['user root'] : []),
  ];
  const child = spawn(program, ['-c', await file('mosquitto.conf', `${config.join('\n')}\n`)], {
    stdio: 'ignore',
  });
  const close = async (): Promise<void> => {
    await stop(child);
    await rm(folder, { recursive: true, force: true });
  };
  return { port, close };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill();
  await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
