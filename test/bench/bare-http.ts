/**
 * A bare HTTP server in a process of its own: reads each request and answers with a few bytes. What it loses when a crowd
 * asks is what Node, the kernel and the load generator lose.
 */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface BareHttp {
  readonly port: number;
  stop(): void;
}

export async function startBareHttp(): Promise<BareHttp> {
  const child = fork(fileURLToPath(import.meta.url), ['serve']);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number));
    child.once('exit', (code) => reject(new Error(`the bare HTTP server ended with code ${code}`)));
  });
  return { port, stop: () => void child.kill() };
}

function serve(): void {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.end('{"outputs":[]}'));
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

if (process.argv[2] === 'serve' && process.argv[1] === fileURLToPath(import.meta.url)) serve();
