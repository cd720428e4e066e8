/**
 * What systemd is told of a service with `Type=notify` and `WatchdogSec=`: that it is ready, that it stops, and, as long as
 * its event loop turns and no lasting part of it has ended, that it is alive. Node has no datagram sockets of the unix kind, so
 * `systemd-notify` sends it: one short process at each third of the watchdog's time. Nothing happens without systemd.
 */
import { execFile } from 'node:child_process';
import { errorText } from '../shared/base/app-error.ts';
import type { Logger } from './logger.ts';

const NOTIFY_MS_MAX = 10_000;
const PINGS_PER_TIMEOUT = 3;

/** What a program runs for as long as it lives. One that has ended by itself makes the program a case for the watchdog. */
export class LastingParts {
  #hasEnded = false;

  watch(running: readonly Promise<unknown>[]): void {
    const end = () => {
      this.#hasEnded = true;
    };
    for (const part of running) part.then(end, end);
  }

  get areAlive(): boolean {
    return !this.#hasEnded;
  }
}

export interface ServiceManagerProps {
  readonly env: NodeJS.ProcessEnv;
  readonly isAlive: () => boolean;
  readonly logger: Logger;
}

export interface ServiceManager {
  /** The service is ready; from here on the watchdog is answered. */
  ready(): void;
  /** The service has begun to stop; the watchdog is not answered any more. */
  stopping(): void;
}

/** Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` as sd_watchdog_enabled(3) describes them. */
export function openServiceManager({ env, isAlive, logger }: ServiceManagerProps): ServiceManager {
  if (!env['NOTIFY_SOCKET']) return { ready: () => undefined, stopping: () => undefined };
  const notify = (...messages: readonly string[]) =>
    execFile('systemd-notify', messages, { env, timeout: NOTIFY_MS_MAX }, (error) => {
      if (error) logger.warn({ reason: errorText(error), messages }, 'systemd could not be notified');
    });
  let pings: NodeJS.Timeout | undefined;
  return {
    ready() {
      notify('READY=1');
      const everyMs = watchdogMs(env) / PINGS_PER_TIMEOUT;
      if (everyMs < 1) return;
      pings = setInterval(() => {
        if (isAlive()) notify('WATCHDOG=1');
        else logger.error('a part of the program ended, so the watchdog of systemd is no longer answered');
      }, everyMs);
      pings.unref();
    },
    stopping() {
      clearInterval(pings);
      notify('STOPPING=1');
    },
  };
}

/** 0 where nobody watches this process. */
function watchdogMs(env: NodeJS.ProcessEnv): number {
  const isForUs = !env['WATCHDOG_PID'] || Number(env['WATCHDOG_PID']) === process.pid;
  const micros = Number(env['WATCHDOG_USEC'] ?? 0);
  return isForUs && Number.isSafeInteger(micros) ? micros / 1_000 : 0;
}
