/** Notifications to receivers over real HTTP: signed, in order, tried again, given up. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AlertStore } from '../../../../hub/alerts/alert-store.ts';
import { DeliveryStore } from '../../../../hub/alerts/delivery-store.ts';
import { readReceivers } from '../../../../hub/alerts/receiver-file.ts';
import { Receivers } from '../../../../hub/alerts/receivers.ts';
import { AuditLog } from '../../../../hub/audit/audit-log.ts';
import { type Database, openDatabase } from '../../../../hub/db/database.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import type { AlertNotification } from '../../../../shared/api/alerts.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { isSigned, WebhookServer } from '../../../support/webhook-server.ts';

const secret = 'a secret of more than sixteen bytes';
const actor = { name: 'admin', role: 'admin', address: '127.0.0.1' } as const;
const byNumber = { position: { columns: ['number'], isDescending: false }, limit: 100 };

interface World {
  readonly server: WebhookServer;
  readonly clock: ManualClock;
  readonly database: Database;
  readonly receivers: Receivers;
  readonly stop: () => Promise<void>;
  readonly notify: (id: string, fields?: Partial<AlertNotification['alerts'][number]>) => Promise<void>;
  /** Lets waits between tries pass until the server was sent `posts`. */
  readonly until: (posts: number) => Promise<void>;
  readonly restart: () => Promise<World>;
}

async function world(receiver = '', old?: Pick<World, 'server' | 'clock' | 'database'>): Promise<World> {
  const folder = await tempFolder();
  const server = old?.server ?? (await WebhookServer.start());
  await writeFile(join(folder, 'secret'), secret);
  const file = join(folder, 'receivers.yaml');
  const webhook = `{ name: on-call, kind: webhook, url: "${server.url}/hook", secretFile: secret }`;
  await writeFile(file, `receivers: [${receiver.replaceAll('URL', server.url) || webhook}]`);
  const clock = old?.clock ?? new ManualClock();
  const database = old?.database ?? (await openDatabase(join(folder, 'hub.db')));
  if (!old) onTestFinished(() => database.destroy());
  const receivers = new Receivers({
    receivers: await readReceivers(file),
    deliveries: new DeliveryStore(database),
    alerts: new AlertStore(database),
    audit: new AuditLog({ database, clock }),
    clock,
    random: () => 0.5,
    logger: makeLogger('test', 'silent'),
  });
  const stopping = new AbortController();
  const running = receivers.run(stopping.signal);
  const stop = async () => {
    stopping.abort();
    await running;
  };
  onTestFinished(stop);
  return {
    server,
    clock,
    database,
    receivers,
    stop,
    notify: async (id, fields = {}) => {
      const notification = notificationOf(id, fields);
      const now = clock.now();
      await database.transaction().execute((tx) => receivers.add([notification], now, tx));
      receivers.wake();
    },
    until: async (posts) => {
      await expect
        .poll(() => {
          if (server.posts.length < posts && clock.sleeping > 0) clock.advance(1_000);
          return server.posts.length;
        })
        .toBeGreaterThanOrEqual(posts);
    },
    restart: async () => {
      await stop();
      return world(receiver, { server, clock, database });
    },
  };
}

function notificationOf(id: string, fields: Partial<AlertNotification['alerts'][number]>): AlertNotification {
  const alert = {
    id: 'a-00000000000a',
    code: 'drift_found',
    subject: 'air',
    severity: 'ticket',
    owner: 'model-team',
    summary: 'air: drift was found',
    runbook: 'docs/ALERTS.md#drift_found',
    pendingAt: 1,
    status: 'firing',
    ...fields,
  } as const;
  return { v: 1, id, kind: 'alerts', subject: alert.subject, alerts: [alert] };
}

const idsOf = (posts: readonly { readonly json: { readonly id: string } }[]) =>
  posts.map(({ json }) => json.id);

describe('a webhook', () => {
  it('is sent notifications in order, each signed, and again until it accepts them', async () => {
    const { server, notify, until, receivers } = await world();
    server.answer = (n) => (n < 3 ? 503 : 200);
    for (const id of ['n-1', 'n-2', 'n-3']) await notify(id);
    await until(6);
    expect(idsOf(server.posts)).toEqual(['n-1', 'n-1', 'n-1', 'n-1', 'n-2', 'n-3']);
    for (const post of server.posts) {
      expect(isSigned(post, secret)).toBe(true);
      expect(post.headers['webhook-id']).toBe(post.json.id);
    }
    const times = server.posts.map(({ headers }) => Number(headers['webhook-timestamp']));
    // The time is that of the try: a receiver may refuse what is replayed.
    expect(times[3]).toBeGreaterThan(times[0]!);
    await expect.poll(() => receivers.counts.get('on-call')).toEqual({ delivered: 3, failed: 3, dead: 0 });
    expect(await receivers.deliveries(byNumber)).toEqual([]);
  });

  it('waits longer with each try that failed', async () => {
    const { server, notify, until } = await world();
    server.answer = () => 500;
    await notify('n-1');
    await until(6);
    const times = server.posts.map(({ headers }) => Number(headers['webhook-timestamp']));
    expect(times[5]! - times[4]!).toBeGreaterThan(times[3]! - times[2]!);
    expect(times[5]! - times[4]!).toBeGreaterThan(5);
  });

  it('does not block those behind it with what it cannot read, which is kept in the dead-letter list', async () => {
    const { server, notify, until, receivers } = await world();
    server.answer = (n) => (n === 0 ? 400 : 200);
    await notify('n-1');
    await notify('n-2');
    await until(2);
    expect(idsOf(server.posts)).toEqual(['n-1', 'n-2']);
    await expect
      .poll(() => receivers.deliveries(byNumber))
      .toMatchObject([
        { id: 'n-1', receiver: 'on-call', tries: 1, fault: 'status 400', deadAt: expect.any(Number) },
      ]);
    expect(await receivers.observations()).toMatchObject([
      { code: 'receiver_failed', subject: 'on-call', holds: true },
    ]);
  });

  it('gives a notification up after a day, and goes on with the next', async () => {
    const { server, notify, until, receivers, clock } = await world();
    server.answer = () => 500;
    await notify('n-1');
    await until(2);
    clock.advance(limits.alertDeliveryMsMax);
    await until(3);
    await expect.poll(() => receivers.deliveries({ ...byNumber, dead: true })).toMatchObject([{ id: 'n-1' }]);
    server.answer = () => 200;
    await notify('n-2');
    await until(4);
    expect(server.accepted.map(({ json }) => json.id)).toEqual(['n-2']);
  });

  it('has what waited delivered after a restart of the hub, once', async () => {
    const before = await world();
    before.server.answer = () => 500;
    await before.notify('n-1');
    await before.notify('n-2');
    await before.until(1);
    const after = await before.restart();
    after.server.answer = () => 200;
    await expect.poll(() => idsOf(after.server.accepted)).toEqual(['n-1', 'n-2']);
  });

  it('that never answers does not hold up the end of the hub', async () => {
    const { server, notify, until, stop, receivers } = await world();
    server.answer = () => 'never';
    await notify('n-1');
    await until(1);
    await stop();
    expect(await receivers.deliveries(byNumber)).toMatchObject([{ id: 'n-1' }]);
  });

  it('is not followed where it redirects to', async () => {
    const { server, receivers } = await world();
    server.answer = () => 307;
    expect(await receivers.test(undefined, actor)).toEqual({
      receivers: [{ receiver: 'on-call', delivered: false, fault: 'status 307' }],
    });
  });

  it('is sent only the alerts that it wants', async () => {
    const { server, notify, until } = await world(
      '{ name: on-call, kind: webhook, url: URL, secretFile: secret, severities: [page], owners: [operations], subjects: [air] }',
    );
    await notify('n-1', { severity: 'page' });
    await notify('n-1b', { code: 'latency_burns_fast', subject: 'air/field' });
    const page = { code: 'latency_burns_fast', severity: 'page' } as const;
    await notify('n-2', { ...page, subject: 'water' });
    await notify('n-3', page);
    await notify('n-4', { ...page, subject: 'air/field' });
    await until(2);
    expect(idsOf(server.posts)).toEqual(['n-3', 'n-4']);
  });

  it('that has left the file has what waits for it given up', async () => {
    const before = await world();
    before.server.answer = () => 500;
    await before.notify('n-1');
    await before.until(1);
    await before.stop();
    const other = '{ name: other, kind: webhook, url: URL, secretFile: secret }';
    const { receivers } = await world(other, before);
    await expect
      .poll(() => receivers.deliveries({ ...byNumber, dead: true }))
      .toMatchObject([{ id: 'n-1', fault: 'the receiver is not configured any more' }]);
  });
});

describe('a receiver that cannot be reached', () => {
  it('is an alert when a notification has waited for long', async () => {
    const { server, notify, until, receivers, clock } = await world();
    server.answer = () => 500;
    await notify('n-1');
    await until(1);
    expect(await receivers.observations()).toMatchObject([{ holds: false }]);
    clock.advance(limits.alertDeliveryLateMs);
    expect(await receivers.observations()).toMatchObject([
      {
        code: 'receiver_failed',
        subject: 'on-call',
        holds: true,
        summary: expect.stringContaining('1 notifications wait'),
      },
    ]);
  });

  it('is one no more when what was given up while the clock was ahead is an hour old', async () => {
    const { server, notify, receivers, clock, database } = await world();
    const now = clock.now();
    clock.set(now + 365 * 86_400_000);
    server.answer = () => 400;
    await notify('n-1');
    await expect.poll(() => receivers.deliveries({ ...byNumber, dead: true })).toHaveLength(1);
    clock.set(now);
    expect(await new DeliveryStore(database).clampFutureTimes(now)).toBe(1);
    clock.set(now + 3_600_001);
    expect(await receivers.observations()).toMatchObject([{ holds: false }]);
  });
});

describe('an Alertmanager', () => {
  const alertmanager =
    '{ name: cluster, kind: alertmanager, url: "URL/prefix/", tokenFile: secret, severities: [page] }';

  async function store({ database }: World, id: string, fields: object): Promise<void> {
    await database
      .insertInto('alert')
      .values({
        id,
        code: 'availability_burns_fast',
        subject: 'air',
        severity: 'page',
        state: 'firing',
        summary: 'air: 9 of 10 requests failed',
        pending_at: 1_000,
        fired_at: 2_000,
        clear_since: null,
        resolved_at: null,
        acknowledged_at: null,
        acknowledged_by: null,
        recurrences: 0,
        notified: 'firing',
        ...fields,
      })
      .execute();
  }

  it('is sent what fires and what was resolved lately, as its API v2 takes them', async () => {
    const one = await world(alertmanager);
    const { server, receivers, clock } = one;
    const now = clock.now();
    await store(one, 'a-1', {});
    await store(one, 'a-2', {
      subject: 'water',
      state: 'resolved',
      resolved_at: now - 60_000,
      notified: 'resolved',
    });
    await store(one, 'a-3', {
      subject: 'fire',
      state: 'resolved',
      resolved_at: now - 3_600_000,
      notified: 'resolved',
    });
    await store(one, 'a-4', { code: 'drift_found', severity: 'ticket' });
    await store(one, 'a-5', { subject: 'silenced', notified: null });
    await receivers.push();
    expect(server.posts).toHaveLength(1);
    const [post] = server.posts;
    expect(post).toMatchObject({
      path: '/prefix/api/v2/alerts',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    });
    expect(post!.json).toEqual([
      expect.objectContaining({ endsAt: new Date(now - 60_000).toISOString() }),
      {
        labels: {
          alertname: 'availability_burns_fast',
          subject: 'air',
          severity: 'page',
          owner: 'operations',
          source: 'modelfleet',
        },
        annotations: {
          summary: 'air: 9 of 10 requests failed',
          description: expect.stringContaining('error budget'),
          runbook: 'docs/ALERTS.md#availability_burns_fast',
          id: 'a-1',
        },
        startsAt: '1970-01-01T00:00:02.000Z',
        endsAt: new Date(now + 4 * limits.alertsEvaluatedEveryMs).toISOString(),
      },
    ]);
  });

  it('is not sent that an alert was resolved which fires again: the labels are the same', async () => {
    const one = await world(alertmanager);
    const { server, receivers, clock } = one;
    const now = clock.now();
    const resolved = { state: 'resolved', notified: 'resolved' };
    await store(one, 'a-1', { ...resolved, pending_at: now - 600_000, resolved_at: now - 300_000 });
    await store(one, 'a-2', { pending_at: now - 60_000, fired_at: now - 60_000 });
    await store(one, 'a-3', { ...resolved, subject: 'water', pending_at: 1, resolved_at: now - 600_000 });
    await store(one, 'a-4', { ...resolved, subject: 'water', pending_at: 2, resolved_at: now - 60_000 });
    await store(one, 'a-5', { ...resolved, subject: 'fire', pending_at: 1, resolved_at: now - 60_000 });
    await store(one, 'a-6', { subject: 'fire', state: 'pending', pending_at: now, notified: null });
    await receivers.push();
    const ids = server.posts[0]!.json as unknown as { readonly annotations: { readonly id: string } }[];
    expect(ids.map(({ annotations }) => annotations.id).sort()).toEqual(['a-2', 'a-4', 'a-5']);
  });

  it('that does not accept them is an alert after a while, and is asked again by the next evaluation', async () => {
    const { server, receivers, clock } = await world(alertmanager);
    server.answer = () => 500;
    await receivers.push();
    expect(await receivers.observations()).toMatchObject([{ subject: 'cluster', holds: false }]);
    clock.advance(limits.alertDeliveryLateMs);
    await receivers.push();
    expect(await receivers.observations()).toMatchObject([{ subject: 'cluster', holds: true }]);
    server.answer = () => 200;
    await receivers.push();
    expect(await receivers.observations()).toMatchObject([{ subject: 'cluster', holds: false }]);
  });
});

describe('alerts test', () => {
  it('shows of each receiver whether it accepted a notification, and is recorded', async () => {
    const { server, receivers, database, clock } = await world(
      '{ name: on-call, kind: webhook, url: URL, secretFile: secret }, { name: cluster, kind: alertmanager, url: URL }',
    );
    server.answer = () => (server.posts.some(({ path }) => path === '/') ? 503 : 200);
    const { receivers: results } = await receivers.test(undefined, actor);
    expect(results.map(({ receiver }) => receiver)).toEqual(['on-call', 'cluster']);
    const webhook = server.posts.find(({ path }) => path === '/')!;
    expect(isSigned(webhook, secret)).toBe(true);
    expect(webhook.json).toMatchObject({ kind: 'test', alerts: [] });
    const audited = await new AuditLog({ database, clock }).list();
    expect(audited).toMatchObject([{ action: 'alert.tested', target: 'receivers', actor: 'token:admin' }]);
    await expect(receivers.test('nobody', actor)).rejects.toMatchObject({ code: 'not_found' });
  });
});
