/** From failed requests to a notification and back, through a whole hub that is restarted on the way. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Alert } from '../../../../shared/api/alerts.ts';
import type { SloStatus } from '../../../../shared/api/slos.ts';
import { encodeTelemetryReport } from '../../../../shared/protocol/telemetry-report.ts';
import { RouteCaller } from '../../../support/every-route.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { openTelemetry } from '../../../support/opened-telemetry.ts';
import { publishedVersion, report, versionsOf } from '../../../support/profiles.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { storeModel } from '../../../support/stored-model.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { isSigned, WebhookServer } from '../../../support/webhook-server.ts';

const air = publishedVersion();
const secret = 'a secret of more than sixteen bytes';
const minute = 60_000;

interface World {
  readonly hub: RunningHub;
  readonly clock: ManualClock;
  readonly webhook: WebhookServer;
  readonly caller: RouteCaller;
  /** Requests of `air` that arrive now. */
  readonly count: (ok: number, failed: number) => Promise<void>;
  /** Lets time pass, and the evaluation that is due then. */
  readonly pass: (minutes: number) => Promise<void>;
  readonly alerts: () => Promise<readonly Alert[]>;
}

async function world(): Promise<World> {
  const folder = await tempFolder();
  const webhook = await WebhookServer.start();
  await writeFile(join(folder, 'secret'), `${secret}\n`);
  const alertReceivers = join(folder, 'receivers.yaml');
  await writeFile(
    alertReceivers,
    `receivers:\n  - { name: on-call, kind: webhook, url: "${webhook.url}/hook", secretFile: secret }\n`,
  );
  // Certificates are of the real time.
  const clock = new ManualClock(Math.floor(Date.now() / minute) * minute);
  const hub = await RunningHub.start({ clock, options: { alertReceivers } });
  onTestFinished(() => hub.stop());
  await storeModel(hub.data, air);
  const telemetry = await openTelemetry(join(hub.data, 'hub.db'), { versions: versionsOf(air), clock });
  onTestFinished(() => telemetry.database.destroy());
  let number = 0;
  const caller = new RouteCaller(hub, hub.adminToken);
  return {
    hub,
    clock,
    webhook,
    caller,
    count: async (ok, failed) => {
      number += 1;
      const sent = report(air, { number, requests: { ok, failed: { internal: failed } } });
      await telemetry.service.receive('dev', encodeTelemetryReport(sent));
    },
    pass: async (minutes) => {
      clock.advance(minutes * minute);
      await expect
        .poll(async () => {
          const { text } = await caller.call('GET', '/metrics');
          return Number(/^modelfleet_alerts_evaluated_timestamp_seconds (\S+)$/m.exec(text)?.[1]);
        })
        .toBe(clock.now() / 1_000);
      // The loop sleeps again: what passes next wakes it.
      await new Promise((resolve) => setImmediate(resolve));
    },
    alerts: async () => ((await hub.client.get('/alerts')) as { alerts: Alert[] }).alerts,
  };
}

it('failing requests fire an alert once, also over a restart; it is acknowledged, and resolved when they end', async () => {
  const { hub, webhook, count, pass, alerts, caller } = await world();
  await caller.call('PUT', '/api/v1/slos/air', { availability: { target: 0.99 } });
  await count(600, 0);
  await pass(1);
  expect(await alerts()).toEqual([]);

  await count(300, 300);
  await pass(1);
  const [firing] = await alerts();
  expect(firing).toMatchObject({
    code: 'availability_burns_fast',
    subject: 'air',
    severity: 'page',
    state: 'firing',
    summary: expect.stringContaining('300 of 1200 requests failed in the last 1h'),
  });
  await expect.poll(() => webhook.posts.length).toBe(1);
  const [post] = webhook.posts;
  expect(isSigned(post!, secret)).toBe(true);
  expect(isSigned(post!, `${secret}!`)).toBe(false);
  expect(post!.json).toMatchObject({
    v: 1,
    kind: 'alerts',
    subject: 'air',
    alerts: [{ id: firing!.id, status: 'firing', code: 'availability_burns_fast' }],
  });
  expect(post!.headers['webhook-id']).toBe(post!.json.id);

  await hub.restart();
  for (let at = 0; at < 3; at += 1) await pass(1);
  expect(webhook.posts).toHaveLength(1);
  expect((await alerts()).map(({ id }) => id)).toContain(firing!.id);

  const { status } = await caller.call('POST', `/api/v1/alerts/${firing!.id}/acknowledge`, {});
  expect(status).toBe(200);
  expect((await alerts()).find(({ id }) => id === firing!.id)).toMatchObject({
    state: 'acknowledged',
    acknowledgedBy: 'token:admin',
  });
  // Both rules for pages look back half an hour at least; then the condition must be gone for five minutes.
  for (let at = 0; at < 45; at += 5) await pass(5);
  expect((await alerts()).find(({ id }) => id === firing!.id)).toMatchObject({ state: 'resolved' });
  await expect
    .poll(() => webhook.posts.filter(({ json }) => json.alerts[0].id === firing!.id))
    .toMatchObject([
      { json: { alerts: [{ status: 'firing' }] } },
      { json: { alerts: [{ status: 'resolved' }] } },
    ]);
  expect(hub.logLines.filter((line) => line.includes(secret))).toEqual([]);
  const audited = (await hub.client.get('/audit', { action: 'alert' })) as { events: object[] };
  expect(audited.events).toMatchObject([
    { action: 'alert.acknowledged', target: `alert/${firing!.id}`, actor: 'token:admin' },
  ]);
}, 60_000);

it('a silence holds a notification back until it ends; its end lets through what still fires', async () => {
  const { webhook, count, pass, alerts, caller } = await world();
  await caller.call('PUT', '/api/v1/slos/air', { availability: { target: 0.99 } });
  const silenced = await caller.call('POST', '/api/v1/alert-silences', {
    subject: 'air',
    reason: 'load test',
    forMs: 5 * minute,
  });
  expect(silenced).toMatchObject({ status: 201, json: { createdBy: 'token:admin', reason: 'load test' } });
  await count(10, 90);
  await pass(1);
  expect(await alerts()).toMatchObject([{ state: 'firing', silenced: true }]);
  await pass(3);
  expect(webhook.posts).toEqual([]);
  await pass(1);
  expect(await alerts()).toMatchObject([{ state: 'firing', silenced: false }]);
  await expect.poll(() => webhook.posts.length).toBe(1);
}, 60_000);

it('one failed request of two is no alert, and objectives can be shown, set and reset', async () => {
  const { webhook, count, pass, alerts, caller, hub } = await world();
  await caller.call('PUT', '/api/v1/slos/air', {
    availability: { target: 0.999 },
    latency: { target: 0.95, limitMs: 50 },
  });
  await count(1, 1);
  await pass(1);
  expect(await alerts()).toEqual([]);
  expect(webhook.posts).toEqual([]);
  const status = (await hub.client.get('/slos/air')) as SloStatus;
  expect(status).toMatchObject({ model: 'air', source: 'set' });
  expect(status.budgets.map(({ objective, all, bad }) => [objective, all, bad])).toEqual([
    ['availability', 2, 1],
    ['latency', 0, 0],
  ]);
  expect(await hub.client.get('/slos')).toMatchObject({ slos: [{ model: 'air' }] });
  // The device is in the group `default`.
  for (const [group, all] of [
    ['default', 2],
    ['field', 0],
  ] as const) {
    const set = await caller.call('PUT', `/api/v1/slos/air?group=${group}`, {
      availability: { target: 0.9 },
    });
    expect(set).toMatchObject({ status: 200, json: { model: 'air', group, budgets: [{ all }] } });
  }
  await pass(1);
  const listed = async (query: object) =>
    (await hub.client.get('/slos', query as never)) as { slos: SloStatus[]; next?: string };
  const first = await listed({ limit: 2 });
  expect(first.slos.map(({ group }) => group)).toEqual([undefined, 'default']);
  expect((await listed({ limit: 2, after: first.next })).slos.map(({ group }) => group)).toEqual(['field']);
  expect((await listed({ sort: '-model' })).slos.map(({ group }) => group)).toEqual([
    'field',
    'default',
    undefined,
  ]);
  expect(await caller.call('PUT', '/api/v1/slos/air?group=field', { drift: true })).toMatchObject({
    status: 400,
    code: 'bad_input',
  });
  expect(await caller.call('DELETE', '/api/v1/slos/air')).toMatchObject({ status: 204 });
  expect(await hub.client.get('/slos/air')).toMatchObject({
    source: 'manifest',
    objectives: {},
    budgets: [],
  });
  expect(await caller.call('GET', '/api/v1/slos/water')).toMatchObject({ status: 404, code: 'not_found' });
  const audited = (await hub.client.get('/audit', { action: 'objectives' })) as { events: object[] };
  expect(audited.events).toMatchObject([
    { action: 'objectives.reset', target: 'model/air' },
    { action: 'objectives.set', target: 'model/air/field' },
    { action: 'objectives.set', target: 'model/air/default' },
    { action: 'objectives.set', target: 'model/air' },
  ]);
}, 60_000);
