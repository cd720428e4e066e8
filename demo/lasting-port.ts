/** A port that a program gets back after it was stopped. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the range from which systems give ports away for `listen(0)` and for outgoing connections (32768 and up on
 * Linux, 49152 and up elsewhere): a port from there may belong to a stranger by the time its program is back.
 */
const FIRST = 15_000;
const LAST = 32_000;
const TRIES_MAX = 100;

/** Throws when a hundred ports in a row are taken. */
export async function lastingPort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = randomInt(FIRST, LAST);
    if (await isFree(port)) return port;
  }
  throw new Error(`found no free port between ${FIRST} and ${LAST}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, exclusive: true });
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
