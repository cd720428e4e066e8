/** The part of a hub that takes and shows telemetry, behind its REST API, with a login of the command line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { HttpHubClient } from '../../cli/hub-client.ts';
import { TokenService } from '../../hub/access/token-service.ts';
import { TokenStore } from '../../hub/access/token-store.ts';
import { AuditLog } from '../../hub/audit/audit-log.ts';
import { Readiness } from '../../hub/http/readiness.ts';
import { RequestRate } from '../../hub/http/request-rate.ts';
import { HttpServer } from '../../hub/http/server.ts';
import { Authority } from '../../hub/pki/authority.ts';
import { figureRoutes } from '../../hub/telemetry/breakdown/figure-routes.ts';
import type { TelemetryService } from '../../hub/telemetry/telemetry-service.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { openTelemetry } from './opened-telemetry.ts';

export interface TelemetryHub {
  readonly telemetry: TelemetryService;
  readonly client: HttpHubClient;
  /** Of its own; `stop` removes it. */
  readonly folder: string;
  /** For `runCli`. */
  readonly env: NodeJS.ProcessEnv;
  stop(): Promise<void>;
}

type Props = Parameters<typeof openTelemetry>[1] & { readonly clock: Clock };

export async function startTelemetryHub(props: Props): Promise<TelemetryHub> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-test-'));
  const { database, service: telemetry } = await openTelemetry(':memory:', props);
  // Tokens and certificates are of today, whenever the telemetry is.
  const clock = systemClock;
  const audit = new AuditLog({ database, clock });
  const tokens = new TokenService({ store: new TokenStore(database), audit, clock });
  const authority = await Authority.open(join(folder, 'pki'), { clock, advertise: ['localhost'] });
  const http = new HttpServer({
    tls: { key: authority.serverKeyPem, cert: authority.serverCertPem },
    tokens,
    requestRate: new RequestRate({ perMinuteMax: 30_000, monotonic: () => performance.now() }),
    routes: [figureRoutes({ breakdown: telemetry.breakdown, clock: props.clock })],
    readiness: new Readiness(),
    metrics: new Registry(),
    logger: makeLogger('test', 'silent'),
    version: '0',
  });
  await http.start({ host: '127.0.0.1', port: 0 });
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, authority.caPem);
  const admin = { name: 'test', role: 'admin', address: '127.0.0.1' } as const;
  const { secret } = await tokens.create({ name: 'viewer', role: 'viewer' }, admin);
  const url = `https://localhost:${http.port}`;
  const client = new HttpHubClient({ url, token: secret, ca: authority.caPem });
  return {
    telemetry,
    client,
    folder,
    env: { MODELFLEET_HUB: url, MODELFLEET_TOKEN: secret, MODELFLEET_CA_FILE: caFile },
    stop: async () => {
      await client.close();
      await http.close();
      await database.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
