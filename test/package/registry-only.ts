/**
 * Runs a command in a network namespace of its own, where nothing is reached but the package registry: by a proxy that
 * this process has outside, through a socket in the file system. Whatever asks for another host is refused and noted.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PROXY_PORT = 8118;

/** Inside the namespace: a port that npm takes for its proxy, and behind it the socket. Then the command. */
const INSIDE = `
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
const [socket, ...command] = process.argv.slice(2);
const server = createServer((client) => {
  const way = connect(socket);
  client.pipe(way).pipe(client);
  for (const one of [client, way]) one.on('error', () => { client.destroy(); way.destroy(); });
});
server.listen(${PROXY_PORT}, '127.0.0.1', () => {
  spawn(command[0], command.slice(1), { stdio: 'inherit' }).on('exit', (code) => process.exit(code ?? 1));
});
`;

export interface RegistryOnly {
  /** Whoever was asked for, the registry and others. */
  readonly asked: ReadonlySet<string>;
  /** To be said to npm, as its option `--proxy` and `--https-proxy`. */
  readonly proxy: string;
  run(command: readonly string[], env: NodeJS.ProcessEnv): Promise<{ stdout: string; stderr: string }>;
  close(): Promise<void>;
}

export async function openRegistryOnly(registry: URL): Promise<RegistryOnly> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-registry-'));
  const socket = join(folder, 'proxy');
  const inside = join(folder, 'inside.mjs');
  await writeFile(inside, INSIDE);
  const asked = new Set<string>();
  const isAllowed = (host: string) => {
    asked.add(host);
    return host === registry.hostname;
  };
  const server = createServer((incoming, answer) => {
    const url = URL.parse(incoming.url ?? '');
    if (!url || !isAllowed(url.hostname)) return void answer.writeHead(403).end();
    const onward = request(url, { method: incoming.method ?? 'GET', headers: incoming.headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    incoming.pipe(onward);
  });
  server.on('connect', ({ url = '' }, client, head) => {
    const { hostname, port } = new URL(`tcp://${url}`);
    if (!isAllowed(hostname)) return void client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const onward = connect(Number(port || 443), hostname, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.write(head);
      client.pipe(onward).pipe(client);
    });
    for (const one of [client, onward]) {
      one.on('error', () => {
        client.destroy();
        onward.destroy();
      });
    }
  });
  server.listen(socket);
  await once(server, 'listening');
  return {
    asked,
    proxy: `http://127.0.0.1:${PROXY_PORT}`,
    run: (command, env) =>
      run(
        'unshare',
        [
          ...['--map-root-user', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'],
          ...[process.execPath, inside, socket, ...command],
        ],
        { env, maxBuffer: 16 * 1024 ** 2 },
      ),
    async close() {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Why this machine cannot do it, or nothing. */
export async function registryOnlyObstacle(registry: URL): Promise<string | undefined> {
  try {
    await run('unshare', ['--map-root-user', '--net', 'ip', 'link', 'set', 'lo', 'up']);
  } catch {
    return 'no network namespaces here';
  }
  const reached = await fetch(registry, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
  return reached ? undefined : `${registry.hostname} cannot be reached`;
}
