/**
 * Keeps web pages away from the local API. A page cannot read another origin, but it can send to it, and by DNS
 * rebinding it can make its own name mean this machine: both show in headers no page can change.
 */
import { isIP } from 'node:net';
import { AppError } from '../../shared/base/app-error.ts';

const localNames: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

export interface GuardedHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

/** Makes the check for an API that listens on `host`. It throws `host_refused`. */
export function hostGuard(host: string): (headers: GuardedHeaders) => void {
  const names = new Set([...localNames, isIP(host) === 6 ? `[${host.toLowerCase()}]` : host.toLowerCase()]);
  // Who listens on all addresses is asked by any of them; rebinding needs a name, which an address is not.
  const takesAddresses = host === '0.0.0.0' || host === '::';
  const isTaken = (name: string) =>
    names.has(name) || (takesAddresses && isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0);
  return ({ host: named, origin }) => {
    const name = named?.replace(/:\d*$/, '').toLowerCase();
    if (name === undefined || !isTaken(name)) {
      throw new AppError(
        'host_refused',
        `Cannot take the request: it is for host ${JSON.stringify(named ?? '')}, wanted is ${[...names].join(', ')}.`,
      );
    }
    // Browsers name the page's origin on every request that can change something.
    if (origin !== undefined && origin !== `http://${named}`) {
      throw new AppError(
        'host_refused',
        `Cannot take the request: it comes from a page of ${JSON.stringify(origin.slice(0, 200))}.`,
      );
    }
  };
}
