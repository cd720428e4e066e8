/**
 * A bare HTTPS server in a process of its own that reads each request to its end and answers 400, without looking at it: what
 * a refusal costs at least when all of the body is let in.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface BareRefuser {
  readonly child: ChildProcess;
  readonly port: number;
}

export async function startBareRefuser(tls: {
  readonly key: string;
  readonly cert: string;
}): Promise<BareRefuser> {
  const child = fork(fileURLToPath(import.meta.url), ['serve']);
  child.send(tls);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number));
    child.once('exit', (code) => reject(new Error(`the bare server ended with code ${code}`)));
  });
  return { child, port };
}

function serve(): void {
  process.once('message', (tls: { key: string; cert: string }) => {
    const server = createServer(tls, (request, response) => {
      request.resume().once('end', () => response.writeHead(400).end('{"code":"bad_input"}'));
    });
    server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  });
}

if (process.argv[2] === 'serve' && process.argv[1] === fileURLToPath(import.meta.url)) serve();
