/** Options that say where the hub is reached: a public URL, a host with its port. */

import type { Option } from '../../platform/option-table.ts';
import { AppError } from '../../shared/base/app-error.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Base URL of the REST API, without a path; empty when it is not set. */
export function publicUrlOption(description: string): Option<string> {
  return {
    default: '',
    shown: 'first of --advertise, with --http-port',
    description,
    placeholder: 'URL',
    read: (found, name) => {
      const url = typeof found === 'string' && URL.canParse(found) ? new URL(found) : undefined;
      const isBare =
        url && url.pathname === '/' && url.search + url.hash + url.username + url.password === '';
      if (url?.protocol === 'https:' && url.hostname !== '' && isBare) return url.origin;
      return refuse(name, found, 'a URL without a path, such as https://fleet.example.com');
    },
  };
}

/** `host:port`, an IPv6 address in brackets; host empty when it is not set. */
export function hostPortOption(description: string): Option<HostPort> {
  return {
    default: { host: '', port: 0 },
    shown: 'first of --advertise, with --mqtt-port',
    description,
    placeholder: 'HOST:PORT',
    read: (found, name) => {
      const parts =
        typeof found === 'string' ? /^(\[[0-9A-Fa-f:.]+\]|[^:[\]\s/]{1,253}):(\d{1,5})$/.exec(found) : null;
      const port = Number(parts?.[2]);
      if (parts && port >= 1 && port <= 65_535) return { host: parts[1]!.replace(/^\[|\]$/g, ''), port };
      return refuse(name, found, 'a host and a port, such as mqtt.example.com:8883');
    },
  };
}

interface PublicAddresses {
  readonly advertise: readonly string[];
  readonly publicUrl: string;
  readonly publicMqtt: HostPort;
}

/** The hosts of the public addresses that are set, as certificates name them. */
export function publicHosts({ publicUrl, publicMqtt }: Omit<PublicAddresses, 'advertise'>): string[] {
  const host = publicUrl === '' ? '' : new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
  return [host, publicMqtt.host].filter((one) => one !== '');
}

/** The host that clients call the REST API by. */
export function restHost(options: PublicAddresses): string {
  const [host] = options.publicUrl === '' ? options.advertise : publicHosts(options);
  return host!;
}

/** Where clients and devices reach the hub: what the options say, else the first advertised host and the port it listens on. */
export function publicAddresses(
  { advertise, publicUrl, publicMqtt }: PublicAddresses,
  ports: { readonly http: () => number; readonly mqtt: () => number },
): { readonly hubUrl: () => string; readonly mqtt: () => HostPort } {
  const host = advertise[0]!;
  return {
    hubUrl: () => publicUrl || `https://${bracketed(host)}:${ports.http()}`,
    mqtt: () => (publicMqtt.host === '' ? { host, port: ports.mqtt() } : publicMqtt),
  };
}

/** An IPv6 address as URLs write it. */
function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function refuse(name: string, found: unknown, wanted: string): never {
  const text = JSON.stringify(found)?.slice(0, 100) ?? String(found);
  throw new AppError('bad_input', `Cannot use ${name} ${text}: expected ${wanted}.`);
}
