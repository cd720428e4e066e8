/**
 * Keeps web pages away from the local API. A page cannot read another origin, but it can send to it, and by DNS
 * rebinding it can make its own name mean this machine: both show in headers no page can change.
 */
import { isIP } from 'node:net';
import { AppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';

const localNames: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** What is looked at of a request; Node keeps the first Host of several in `headers`, and all in `rawHeaders`. */
export interface GuardedRequest {
  readonly url?: string | undefined;
  readonly headers: { readonly host?: string | undefined; readonly origin?: string | undefined };
  readonly rawHeaders: readonly string[];
}

/** Makes the check for an API that listens on `host`. It throws `host_refused`, or `bad_input` for two hosts. */
export function hostGuard(host: string): (request: GuardedRequest) => void {
  const names = new Set([...localNames, isIP(host) === 6 ? `[${host.toLowerCase()}]` : host.toLowerCase()]);
  // Who listens on all addresses is asked by any of them; rebinding needs a name, which an address is not.
  const takesAddresses = host === '0.0.0.0' || host === '::';
  const isTaken = (name: string) =>
    names.has(name) || (takesAddresses && isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0);
  const check = (named = '') => {
    if (isTaken(named.replace(/:\d*$/, '').toLowerCase())) return;
    throw new AppError(
      'host_refused',
      `Cannot accept the request: it names host ${excerpt(named)}, expected ${[...names].join(', ')}.`,
    );
  };
  return ({ url = '', headers: { host: named, origin }, rawHeaders }) => {
    if (hostCount(rawHeaders) > 1) {
      throw new AppError('bad_input', 'Cannot accept the request: it has more than one Host header.');
    }
    check(named);
    // An absolute URI says by itself whom it is for.
    const absolute = /^[^/]*:\/\/([^/?#]*)/.exec(url);
    if (absolute) check(absolute[1]);
    // Browsers name the page's origin on every request that can change something.
    if (origin !== undefined && origin !== `http://${named}`) {
      throw new AppError(
        'host_refused',
        `Cannot accept the request: a web page of ${JSON.stringify(origin.slice(0, 200))} sent it.`,
      );
    }
  };
}

/** `rawHeaders` are names and values in turn. */
function hostCount(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === 'host') count += 1;
  }
  return count;
}
