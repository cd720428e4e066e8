/**
 * The hub's composition root: the one place that constructs its parts and says who knows whom. Starting goes from the data
 * folder outwards to the network, stopping the other way round; a start that fails takes back what it had started.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { makePrivateFolder } from '../platform/atomic-file.ts';
import { lockFolder } from '../platform/folder-lock.ts';
import type { Logger } from '../platform/logger.ts';
import type { Clock, Random } from '../shared/base/clock.ts';
import { tokenRoutes } from './access/token-routes.ts';
import { type NewToken, TokenService } from './access/token-service.ts';
import { TokenStore } from './access/token-store.ts';
import { AuditLog } from './audit/audit-log.ts';
import { auditRoutes } from './audit/audit-routes.ts';
import type { HubOptions } from './config/options-schema.ts';
import { openDatabase } from './db/database.ts';
import { Readiness } from './http/readiness.ts';
import { HttpServer } from './http/server.ts';
import { Authority } from './pki/authority.ts';

export interface HubEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What a hub that has started says of itself. */
export interface HubAddresses {
  readonly url: string;
  readonly mqtt: { readonly host: string; readonly port: number };
  readonly caPem: string;
  /** SHA-256 of the CA certificate. */
  readonly caSha256: string;
  /** The admin token this start made, with its secret; only on the first start or when one was asked for. */
  readonly adminToken?: NewToken;
}

export interface Hub {
  /**
   * Throws `data_folder_locked`, `data_folder_newer`, `port_in_use`; after that nothing of the hub is left running.
   * `newAdminToken`: make an admin token even when there are tokens (the way back in when all secrets are lost).
   */
  start(options?: { readonly newAdminToken?: boolean }): Promise<HubAddresses>;
  /** Ends what is under way, then closes everything. Safe to call twice. */
  stop(): Promise<void>;
}

/** Constructs nothing that runs: all of it happens in `start`. */
export function createHub(options: HubOptions, environment: HubEnvironment): Hub {
  const closers: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (let close = closers.pop(); close; close = closers.pop()) await close();
  };
  return {
    async start(startOptions = {}) {
      try {
        return await startHub(options, environment, closers, startOptions.newAdminToken ?? false);
      } catch (error) {
        await stop();
        throw error;
      }
    },
    stop,
  };
}

async function startHub(
  options: HubOptions,
  { clock, logger }: HubEnvironment,
  closers: (() => Promise<void> | void)[],
  newAdminToken: boolean,
): Promise<HubAddresses> {
  // Data folder.
  await makePrivateFolder(options.data);
  const lock = lockFolder(options.data);
  closers.push(() => lock.release());
  const database = await openDatabase(join(options.data, 'hub.db'));
  closers.push(() => database.destroy());

  // Services.
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const readiness = new Readiness();
  readiness.add('database', async () => {
    await database.selectFrom('meta').select('key').limit(1).execute();
  });
  const audit = new AuditLog({ database, clock });
  const tokens = new TokenService({ store: new TokenStore(database), audit, clock });
  const authority = await Authority.open(join(options.data, 'pki'), { clock, advertise: options.advertise });

  // Network.
  const http = new HttpServer({
    tls: { key: authority.serverKeyPem, cert: authority.serverCertPem },
    tokens,
    routes: [tokenRoutes(tokens), auditRoutes(audit)],
    readiness,
    metrics,
    logger: logger.child({ part: 'http' }),
    version: await programVersion(),
  });
  await http.start({ host: options.httpHost, port: options.httpPort });
  closers.push(() => http.close());

  const adminToken = await tokens.makeAdmin({ always: newAdminToken });
  const host = options.advertise[0]!;
  return {
    url: `https://${bracketed(host)}:${http.port}`,
    mqtt: { host, port: 0 },
    caPem: authority.caPem,
    caSha256: authority.caSha256,
    ...(adminToken ? { adminToken } : {}),
  };
}

/** An IPv6 address as URLs write it. */
function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

async function programVersion(): Promise<string> {
  const file = new URL('../package.json', import.meta.url);
  const text = await readFile(file, 'utf8').catch(() =>
    readFile(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return (JSON.parse(text) as { version: string }).version;
}
