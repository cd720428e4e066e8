/** A hub on a disk that another program fills: it goes on reading, says what is wrong, and writes again when there is space. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { enrol } from '../../../../agent/connection/enrolment.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { RouteCaller } from '../../../support/every-route.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { canMount, fillDisk, smallDisk } from '../../../support/small-disk.ts';
import { StockedHub, stock } from '../../../support/stocked-hub.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let original: StockedHub;
let rollout: string;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-full-'));
  original = await StockedHub.make(folder);
  rollout = await takeUpADevice(join(folder, 'agent'));
  return () => rm(folder, { recursive: true });
});

/** The hub knows a device and rolls a version out to it. Returns the rollout's id. */
async function takeUpADevice(folder: string): Promise<string> {
  const hub = await RunningHub.start({ data: original.data });
  try {
    const client = hub.clientOf(original.adminToken);
    const body = { group: 'default', uses: 1, ttlMs: 60_000 };
    const { token } = (await client.post('/join-tokens', body)) as { token: string };
    const facts = { agentVersion: '0', os: 't', arch: 't', cpus: 1, memoryBytes: 1, hostname: 't' };
    await enrol({ token, deviceId: 'sensor-1', folder, facts: { ...facts, providers: ['cpu'] } });
    const plan = { ...stock, phases: [{ percent: 100 }] };
    return ((await client.post('/rollouts', plan)) as { id: string }).id;
  } finally {
    await hub.stop();
  }
}

async function onSmallDisk() {
  const disk = await smallDisk(16 * 1024);
  const stocked = await original.copy(disk);
  const hub = await stocked.start();
  const routes = new RouteCaller(hub, stocked.adminToken);
  const chunk = randomBytes(100_000);
  const digest = createHash('sha256').update(chunk).digest('hex');
  return { disk, stocked, hub, routes, putBlob: () => routes.call('PUT', `/api/v1/blobs/${digest}`, chunk) };
}

describe.skipIf(!canMount)('a hub whose disk is full', () => {
  it('answers whatever only reads, and refuses what writes with 503 and disk_full', async () => {
    const { disk, routes, putBlob } = await onSmallDisk();
    const free = await fillDisk(disk);
    for (const write of [routes.newToken, putBlob]) {
      const refused = await write.call(routes);
      expect(refused).toMatchObject({ status: 503, code: 'disk_full' });
      expect(refused.headers).toMatchObject({ 'retry-after': '30' });
      expect(refused.text).not.toContain(disk);
    }
    const answers = await routes.everyRoute();
    const failed = answers.filter(({ status }) => status >= 500);
    expect(failed.length).toBeGreaterThan(0);
    for (const answer of failed) expect(answer).toMatchObject({ status: 503, code: 'disk_full' });
    const reads = answers.filter(({ route }) => route.startsWith('GET '));
    expect(reads.length).toBeGreaterThan(20);
    for (const { route, status } of reads) expect(status, route).toBeLessThan(500);
    expect((await routes.call('GET', '/api/v1/me')).json).toMatchObject({ name: 'admin' });
    expect((await routes.call('GET', '/api/v1/audit/verify')).json).toMatchObject({ intact: true });
    await free();
    expect((await routes.newToken()).status).toBe(201);
    expect((await putBlob()).status).toBe(201);
  });

  it('answers every read there is with what is there', async () => {
    const { disk, routes } = await onSmallDisk();
    await fillDisk(disk);
    await routes.newToken();
    const answers = await routes.everyRead({
      '/api/v1/devices/{id}': '/api/v1/devices/sensor-1',
      '/api/v1/tokens/{name}': '/api/v1/tokens/admin',
      '/api/v1/join-tokens/{id}': '/api/v1/join-tokens/jt-000000000000',
      '/api/v1/trust/{role}': '/api/v1/trust/timestamp',
      '/api/v1/models/{model}': `/api/v1/models/${stock.model}`,
      '/api/v1/models/{model}/versions/{version}': `/api/v1/models/${stock.model}/versions/${stock.version}`,
      '/api/v1/telemetry': `/api/v1/telemetry?model=${stock.model}`,
      '/api/v1/telemetry/figures': `/api/v1/telemetry/figures?model=${stock.model}&by=version`,
      '/api/v1/slos/{model}': `/api/v1/slos/${stock.model}`,
      '/api/v1/alerts/{id}': '/api/v1/alerts/a-000000000000',
      '/api/v1/alert-silences/{id}': '/api/v1/alert-silences/s-000000000000',
      '/api/v1/drift': `/api/v1/drift?model=${stock.model}`,
      '/api/v1/rollouts/{id}': `/api/v1/rollouts/${rollout}`,
      '/api/v1/rollouts/{id}/devices': `/api/v1/rollouts/${rollout}/devices`,
    });
    expect(answers.length).toBeGreaterThan(15);
    for (const answer of answers) {
      // No device has sent any, and there is no join token, alert or silence of that id.
      const missing = answer.route.endsWith('/drift') ? 'no_telemetry' : 'not_found';
      const isMissing = /\/(drift|(join-tokens|alerts|alert-silences)\/\{id\})$/.test(answer.route);
      const wanted = isMissing ? { status: 404, code: missing } : { status: 200 };
      expect(answer, answer.route).toMatchObject(wanted);
    }
    expect((await routes.call('GET', '/api/v1/audit/verify')).json).toMatchObject({ intact: true });
  });

  it('is not ready from the first refusal on, and its metrics say so', async () => {
    const { disk, hub, routes } = await onSmallDisk();
    expect((await routes.call('GET', '/readyz')).json).toMatchObject({
      ready: true,
      checks: { storage: 'ok' },
    });
    await fillDisk(disk);
    await routes.newToken();
    expect(await routes.call('GET', '/readyz')).toMatchObject({
      status: 503,
      json: { ready: false, checks: { storage: expect.stringMatching(/^disk_full: /), broker: 'ok' } },
    });
    const { text } = await routes.call('GET', '/metrics');
    expect(text).toMatch(/^modelfleet_storage_fault\{code="disk_full"\} 1$/m);
    expect(text).toMatch(/^modelfleet_storage_failures_total\{code="disk_full"\} [1-9]/m);
    expect(text).toMatch(/^modelfleet_disk_free_bytes \d/m);
    expect(hub.logLines.filter((line) => line.includes('the hub cannot write to its storage'))).toHaveLength(
      1,
    );
    expect((await routes.call('GET', '/healthz')).status).toBe(200);
  });

  it('finds out by itself when nobody writes but somebody asks whether it is ready', async () => {
    const { disk, routes } = await onSmallDisk();
    await fillDisk(disk);
    await expect
      .poll(async () => (await routes.call('GET', '/readyz')).status, { timeout: 60_000, interval: 500 })
      .toBe(503);
  });

  it('is ready again once there is space, and the audit log says what happened and for how long', async () => {
    const { disk, routes } = await onSmallDisk();
    const before = Date.now();
    const free = await fillDisk(disk);
    await routes.newToken();
    await routes.newToken();
    await free();
    await expect
      .poll(async () => (await routes.call('GET', '/readyz')).status, {
        timeout: 60_000,
        interval: limits.storageTriedMs / 5,
      })
      .toBe(200);
    const { json } = await routes.call('GET', '/api/v1/audit?action=storage');
    expect(json.events).toMatchObject([
      { actor: 'hub', action: 'storage.recovered', details: { faults: [{ code: 'disk_full' }] } },
    ]);
    const [{ since, failures }] = json.events[0].details.faults;
    expect(Date.parse(since)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(json.events[0].details.until)).toBeGreaterThanOrEqual(Date.parse(since));
    expect(failures).toBeGreaterThanOrEqual(2);
    expect((await routes.call('GET', '/api/v1/audit/verify')).json).toMatchObject({ intact: true });
  });

  it('shows when a token was used although that cannot be written', async () => {
    const { disk, routes } = await onSmallDisk();
    await fillDisk(disk);
    const { json } = await routes.call('GET', '/api/v1/tokens');
    expect(json.tokens).toMatchObject([{ name: 'admin', lastUsedAt: expect.any(Number) }]);
  });

  it('stops when it is told to, and starts again', async () => {
    const { disk, stocked, hub } = await onSmallDisk();
    const free = await fillDisk(disk);
    await hub.stop();
    const again = await stocked.start().catch((error: unknown) => error);
    if (again instanceof Error) expect(again).toMatchObject({ code: 'disk_full' });
    await free();
    const last = again instanceof Error ? await stocked.start() : (again as typeof hub);
    expect(await last.clientOf(stocked.adminToken).get('/me')).toMatchObject({ name: 'admin' });
  });
});
