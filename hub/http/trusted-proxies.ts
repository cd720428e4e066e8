/**
 * Reverse proxies whose word on who calls is believed: `X-Forwarded-For` and `X-Forwarded-Proto` of a request count when the
 * connection comes from one of them, and are removed otherwise. Each proxy appends the address it was called from, so the
 * list is read from its end, up to the first address that is no proxy: what a client wrote itself lies before that.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { AppError } from '../../shared/base/app-error.ts';

/** Entries of `X-Forwarded-For` that are read, counted from the end. */
const HOPS_MAX = 16;
const believed = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'forwarded',
];

export class TrustedProxies {
  readonly #list = new BlockList();

  /** `ranges`: addresses, or networks such as `10.0.0.0/8`. Throws `bad_input`. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) this.#add(range);
  }

  isTrusted(address: string | undefined): boolean {
    const family = isIP(address ?? '');
    return family !== 0 && this.#list.check(address!, family === 6 ? 'ipv6' : 'ipv4');
  }

  /** Leaves of the request's headers only what may be believed; to be called before anybody reads them. */
  cleanHeaders({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): void {
    const hops = String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .slice(-HOPS_MAX)
      .map((hop) => hop.trim());
    const isProxy = this.isTrusted(socket.remoteAddress);
    const [proto] = String(headers['x-forwarded-proto'] ?? '').split(',');
    for (const name of believed) delete headers[name];
    if (!isProxy) return;
    const kept = hops.slice(hops.findLastIndex((hop) => isIP(hop) === 0) + 1);
    if (kept.length > 0) headers['x-forwarded-for'] = kept.join(', ');
    if (proto === 'https' || proto === 'http') headers['x-forwarded-proto'] = proto;
  }

  #add(range: string): void {
    const [address = '', bits] = range.split('/');
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || !(prefix >= 0 && prefix <= most)) {
      throw new AppError(
        'bad_input',
        `Cannot use trusted proxy "${range.slice(0, 100)}": expected an address or a network such as 10.0.0.0/8.`,
      );
    }
    this.#list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  }
}
