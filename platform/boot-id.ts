/** Tells one boot of the machine from another. */
import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';

/** Wide enough for what the clock is set by in service; two boots lie further apart. */
const MINUTES = 60_000;

/** Linux names each boot; elsewhere it is the minute in which the machine was started. */
export async function readBootId(): Promise<string> {
  const named = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const id = named.trim();
  return /^[0-9a-f-]{36}$/.test(id) ? id : `minute-${Math.round((Date.now() - uptime() * 1000) / MINUTES)}`;
}
