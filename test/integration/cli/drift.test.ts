import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpHubClient } from '../../../cli/hub-client.ts';
import { TokenService } from '../../../hub/access/token-service.ts';
import { TokenStore } from '../../../hub/access/token-store.ts';
import { AuditLog } from '../../../hub/audit/audit-log.ts';
import { openDatabase } from '../../../hub/db/database.ts';
import { driftRoutes } from '../../../hub/drift/drift-routes.ts';
import { DriftService } from '../../../hub/drift/drift-service.ts';
import { judgeHour } from '../../../hub/drift/hour-verdict.ts';
import { Readiness } from '../../../hub/http/readiness.ts';
import { RequestRate } from '../../../hub/http/request-rate.ts';
import { HttpServer } from '../../../hub/http/server.ts';
import { DeviceInbox } from '../../../hub/inbox/device-inbox.ts';
import { Authority } from '../../../hub/pki/authority.ts';
import { EvidenceStore } from '../../../hub/telemetry/evidence-store.ts';
import { registerTelemetryMetrics } from '../../../hub/telemetry/telemetry-metrics.ts';
import { telemetryRoutes } from '../../../hub/telemetry/telemetry-routes.ts';
import { TelemetryService } from '../../../hub/telemetry/telemetry-service.ts';
import { makeLogger } from '../../../platform/logger.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { encodeTelemetryReport } from '../../../shared/protocol/telemetry-report.ts';
import { runCli } from '../../support/cli.ts';
import { offeredToAll, publishedVersion, report, versionsOf } from '../../support/profiles.ts';

const logger = makeLogger('test', 'silent');
const air = publishedVersion({ label: { output: 'y', kind: 'regression' } });
const metrics = new Registry();
const closers: (() => Promise<void>)[] = [];
let env: NodeJS.ProcessEnv;
let folder: string;
let client: HttpHubClient;

const run = (...args: string[]) => runCli(join(folder, 'none.json'), args, { env });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelfleet-test-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const database = await openDatabase(':memory:');
  closers.push(() => database.destroy());
  const clock = systemClock;
  const versions = versionsOf(air);
  const telemetry = new TelemetryService({
    inbox: new DeviceInbox({ database, logger }),
    database,
    judge: judgeHour,
    evidence: new EvidenceStore(database),
    assignments: offeredToAll,
    fleet: {
      groupsOf: async (ids) => new Map(ids.map((id) => [id, id === 'a' ? 'north' : 'south'])),
    },
    versions,
    clock,
    logger,
    bucketMs: 60_000,
  });
  registerTelemetryMetrics(metrics, telemetry);
  const drift = new DriftService({ clock, versions, telemetry, active: () => [] });
  const tokens = new TokenService({
    store: new TokenStore(database),
    audit: new AuditLog({ database, clock }),
    clock,
  });
  const authority = await Authority.open(join(folder, 'pki'), { clock, advertise: ['localhost'] });
  const http = new HttpServer({
    tls: { key: authority.serverKeyPem, cert: authority.serverCertPem },
    tokens,
    requestRate: new RequestRate({ perMinuteMax: 30_000, monotonic: () => performance.now() }),
    routes: [telemetryRoutes({ telemetry, versions, clock }), driftRoutes({ drift, clock })],
    readiness: new Readiness(),
    metrics,
    logger,
    version: '0',
  });
  await http.start({ host: '127.0.0.1', port: 0 });
  closers.push(() => http.close());
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, authority.caPem);
  const actor = { name: 'test', role: 'admin', address: '127.0.0.1' } as const;
  const { secret } = await tokens.create({ name: 'viewer', role: 'viewer' }, actor);
  env = {
    MODELFLEET_HUB: `https://localhost:${http.port}`,
    MODELFLEET_TOKEN: secret,
    MODELFLEET_CA_FILE: caFile,
  };
  client = new HttpHubClient({ url: env['MODELFLEET_HUB']!, token: secret, ca: authority.caPem });
  closers.push(() => client.close());
  const odd = [0, ...new Array<number>(9).fill(0), 1_000, 0];
  const calm = [0, ...new Array<number>(10).fill(100), 0];
  for (const [device, f0] of [
    ['a', calm],
    ['b', odd],
  ] as const) {
    await telemetry.receive(
      device,
      encodeTelemetryReport({
        ...report(air),
        requests: { ok: 996, failed: { internal: 4 } },
        latency: { first: 400, counts: [500, 500] },
        labels: { kind: 'regression', n: 4, absoluteError: 2, squaredError: 4 },
        features: [
          { name: 'f0', counts: [...f0], missing: 0 },
          { name: 'f1', counts: calm, missing: 0 },
        ],
      }),
    );
  }
  await telemetry.receive('a', Uint8Array.of(0));
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

describe('modelfleet drift', () => {
  it('shows features, worst first, with their figures, and the device that deviates', async () => {
    const { code, stdout, stderr } = await run('drift', 'show', '--model', 'air');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toContain('air 1.0.0, last 1h: drift (2 devices reported, 1 drifted when judged alone)');
    expect(lines[1]).toBe('chance of a false alarm in one reading of this span: at most 1 %');
    expect(stdout).toContain('MAE 0.500, RMSE 1.00 over 8 labels');
    expect(lines.findIndex((line) => line.startsWith('f0'))).toBeLessThan(
      lines.findIndex((line) => line.startsWith('f1')),
    );
    expect(stdout).toMatch(/^f0 +drift +2000 +\d\.\d{3} +0\.05\d +<0\.001 +0\.450 /m);
    expect(stdout).toMatch(/^b +drift +f0/m);
    expect(stdout).not.toMatch(/^a +/m);
  });

  it('shows every distance with -o wide', async () => {
    const { stdout } = await run('drift', 'show', '--model', 'air', '-o', 'wide');
    expect(stdout).toMatch(
      /MISSING +OUTSIDE +INDEPENDENT +EXCESS +DECILE PSI +JS \(BASE 2\) +HELLINGER +W1\/Σ +KS P +Χ² P/,
    );
    expect(stdout).toMatch(
      /^f1 +stable .* 0\.0 % +0\.0 % +2000 +-?0\.0\d\d +0\.000 +0\.000 +0\.000 +0\.000 +1\.000 +1\.000$/m,
    );
  });

  it('answers as JSON, for one group', async () => {
    const { stdout } = await run(
      '--json',
      'drift',
      'show',
      '--model',
      'air',
      '--group',
      'north',
      '--since',
      '10m',
    );
    expect(JSON.parse(stdout)).toMatchObject({ model: 'air', verdict: 'stable', devicesSeen: 1 });
  });

  it.each([
    [['drift', 'show', '--model', 'none'], 1, 'no device reported'],
    [['drift', 'show', '--model', 'air', '--since', 'soon'], 2, 'soon'],
    [['drift', 'show'], 2, '--model'],
  ])('refuses %j', async (args, exit, text) => {
    const { code, stderr, stdout } = await run(...args);
    expect(stderr).toContain(text);
    expect(stdout).toBe('');
    expect(code).toBe(exit);
  });
});

describe('GET /drift and /telemetry', () => {
  it.each([
    ['/drift', { model: 'air', version: '9.9.9' }, 'not_found'],
    ['/drift', { model: '../air' }, 'bad_input'],
    ['/drift', { model: 'air', since: '1x' }, 'bad_input'],
    ['/telemetry', { model: 'air', group: 'a/b' }, 'bad_input'],
    ['/telemetry', {}, 'bad_input'],
  ])('refuses %s %j', async (path, query, code) => {
    await expect(client.get(path, query)).rejects.toMatchObject({ code });
  });
});

describe('modelfleet telemetry', () => {
  it('shows requests, failures by code, latency and label error by version', async () => {
    const { code, stdout } = await run('telemetry', 'show', '--model', 'air');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^1\.0\.0 +2 +2000 +8 internal +0 +0 +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d +MAE 0\.500, RMSE 1\.00 over 8 labels +0\.4 % +0$/m,
    );
  });

  it('answers as JSON, and says so when nobody reported', async () => {
    const { stdout } = await run('telemetry', 'show', '--model', 'air', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      versions: [{ version: '1.0.0', devices: 2, windows: 2, requests: { ok: 1992 }, labels: { mae: 0.5 } }],
    });
    const none = await run('telemetry', 'show', '--model', 'none');
    expect(none).toMatchObject({ code: 0, stdout: 'No device reported none in the last 1h.\n' });
  });
});

describe('telemetry metrics', () => {
  it('count what became of reports', async () => {
    const text = await metrics.metrics();
    expect(text).toContain('modelfleet_telemetry_reports_total{outcome="merged"} 2');
    expect(text).toContain('modelfleet_telemetry_reports_total{outcome="bad_input"} 1');
  });
});
