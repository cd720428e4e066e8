import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpHubClient } from '../../../../cli/hub-client.ts';
import type { ReportedState } from '../../../../shared/protocol/reported-state.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import type { UpdateEvent } from '../../../../shared/protocol/update-event.ts';
import { deviceClient } from '../../../support/broker-world.ts';
import { ConnectionHub, facts } from '../../../support/connection-hub.ts';

const digest = 'a'.repeat(64);
const event = (id: string, state: UpdateEvent['state'] = 'staged'): Buffer =>
  Buffer.from(
    JSON.stringify({
      v: 1,
      id,
      at: '2026-01-01T00:00:00Z',
      model: 'air-quality',
      version: '1.0.0',
      manifest: digest,
      sequence: 1,
      state,
    } satisfies UpdateEvent),
  );
const reported: ReportedState = {
  v: 2,
  at: '2026-01-01T00:00:00Z',
  sequence: 3,
  facts,
  freeBytes: 1_000,
  models: [
    {
      model: 'air-quality',
      active: { version: '1.0.0', manifest: digest, release: 1 },
      provider: 'cpu',
      previous: [],
      update: {
        version: '1.1.0',
        state: 'rejected',
        since: '2026-01-01T00:00:00Z',
        fault: { code: 'golden_mismatch', message: 'off by 1', retry: 'never' },
      },
      quarantined: [],
    },
  ],
  conditions: [{ code: 'disk_low', severity: 'warning', text: 'little space' }],
};

describe('devices over REST', () => {
  let hub: ConnectionHub;
  let client: HttpHubClient;
  beforeAll(async () => {
    hub = await ConnectionHub.start();
    client = new HttpHubClient({ url: hub.url, token: hub.operatorSecret, ca: hub.authority.caPem });
    for (const id of ['d-1', 'd-2', 'd-3']) await hub.enrol(id);
  });
  afterAll(async () => {
    await client.close();
    await hub.stop();
  });

  it('are listed by group and page by page', async () => {
    await client.patch('/devices/d-3', { group: 'field' });
    expect(await client.get('/devices', { group: 'lab' })).toMatchObject({
      devices: [{ id: 'd-1', connected: false }, { id: 'd-2' }],
    });
    const first = (await client.get('/devices', { limit: 2 })) as { devices: unknown[]; next: string };
    expect(first.devices).toHaveLength(2);
    const second = (await client.get('/devices', { limit: 2, after: first.next })) as {
      devices: { id: string }[];
      next?: string;
    };
    expect(second.devices.map((one) => one.id)).toEqual(['d-3']);
    expect(second.next).toBeUndefined();
    expect(await client.get('/groups')).toEqual({
      groups: [
        { group: 'field', devices: 1 },
        { group: 'lab', devices: 2 },
      ],
    });
    const groups = (await client.get('/groups', { limit: 1 })) as { groups: unknown; next: string };
    expect(groups.groups).toEqual([{ group: 'field', devices: 1 }]);
    expect(await client.get('/groups', { after: groups.next })).toEqual({
      groups: [{ group: 'lab', devices: 2 }],
    });
    expect(await hub.devices.idsInGroup('field')).toEqual(['d-3']);
    expect(await hub.devices.idsInGroup(undefined)).toEqual(['d-1', 'd-2', 'd-3']);
    await expect(client.get('/devices', { group: 'a b' })).rejects.toMatchObject({ code: 'bad_input' });
  });

  it('leave nothing to a machine that is enrolled under the id of one that was removed', async () => {
    const first = await deviceClient(hub, await hub.enrol('d-left'));
    await first.publishAsync(topics.device('d-left', 'reported'), JSON.stringify(reported), { qos: 1 });
    await first.publishAsync(topics.device('d-left', 'events'), event('s-1'), { qos: 1 });
    first.end(true);
    await client.delete('/devices/d-left');
    // It was on its way when the device was removed.
    await hub.devices.receiveEvent('d-left', event('s-2'));
    await hub.enrol('d-left', join(hub.folder, 'anew'));
    expect(await client.get('/devices/d-left')).toMatchObject({ models: [], conditions: [], events: [] });
    await client.delete('/devices/d-left');
  });

  it('are known to have spoken after a restore, though not what they said', async () => {
    await hub.enrol('d-mute');
    const device = await deviceClient(hub, await hub.enrol('d-forgotten'));
    await device.publishAsync(topics.device('d-forgotten', 'reported'), JSON.stringify(reported), { qos: 1 });
    expect(await hub.devices.report('d-forgotten')).toMatchObject({ isReportLost: false });
    await hub.devices.forgetReports();
    expect(await hub.devices.report('d-forgotten')).toMatchObject({ isReportLost: true });
    expect(await hub.devices.report('d-mute')).toMatchObject({ isReportLost: false });
    expect(await client.get('/devices/d-forgotten')).not.toHaveProperty('reportedAt');
    await device.publishAsync(topics.device('d-forgotten', 'reported'), JSON.stringify(reported), { qos: 1 });
    expect(await hub.devices.report('d-forgotten')).toMatchObject({ isReportLost: false, reported });
    device.end(true);
    for (const id of ['d-mute', 'd-forgotten']) await client.delete(`/devices/${id}`);
  });

  it('are removed together with what other parts know of them, or not at all', async () => {
    await hub.enrol('d-kept');
    const received: string[] = [];
    let fails = true;
    hub.devices.onRemoved({
      remove: async (id) => {
        received.push(`remove ${id}`);
        if (fails) throw new Error('cannot forget it');
      },
      removed: async (id) => {
        received.push(`removed ${id}`);
      },
    });
    await expect(client.delete('/devices/d-kept')).rejects.toThrow();
    expect(received).toEqual(['remove d-kept']);
    expect(await client.get('/devices/d-kept')).toMatchObject({ id: 'd-kept' });
    fails = false;
    await client.delete('/devices/d-kept');
    expect(received.slice(1)).toEqual(['remove d-kept', 'removed d-kept']);
  });

  it('show what the device reported and its latest events', async () => {
    const device = await deviceClient(hub, await hub.enrol('d-show'));
    await device.publishAsync(topics.device('d-show', 'reported'), JSON.stringify(reported), { qos: 1 });
    await device.publishAsync(topics.device('d-show', 'events'), event('s-1'), { qos: 1 });
    expect(await hub.devices.get('d-show')).toEqual({
      id: 'd-show',
      group: 'lab',
      enrolledAt: expect.any(Number),
      connected: true,
      lastSeenAt: expect.any(Number),
      models: [
        {
          model: 'air-quality',
          version: '1.0.0',
          provider: 'cpu',
          update: { version: '1.1.0', state: 'rejected', fault: 'golden_mismatch' },
        },
      ],
      conditions: reported.conditions,
    });
    expect(await client.get('/devices/d-show')).toMatchObject({
      id: 'd-show',
      sequence: 3,
      freeBytes: 1_000,
      events: [{ event: { id: 's-1', state: 'staged' } }],
    });
    const listed = async (connected: string) =>
      ((await client.get('/devices', { connected, limit: 1_000 })) as { devices: { id: string }[] }).devices;
    expect((await listed('true')).map(({ id }) => id)).toEqual(['d-show']);
    const others = await listed('false');
    expect(others.length).toBeGreaterThan(0);
    expect(others.map(({ id }) => id)).not.toContain('d-show');
    await expect(client.get('/devices', { version: '1.0.0' })).rejects.toMatchObject({ code: 'bad_input' });
    device.end(true);
  });

  it('store an event once, together with what its listener does, before it is acknowledged', async () => {
    const received: string[] = [];
    let fail = true;
    hub.devices.onEvent(async (id, { id: eventId }) => {
      if (id === 'd-events' && fail) throw new Error('listener cannot store it');
      received.push(`${id} ${eventId}`);
    });
    const identity = await hub.enrol('d-events');
    const topic = topics.device('d-events', 'events');
    const first = await deviceClient(hub, identity);
    const closed = new Promise<void>((resolve) => first.once('close', () => resolve()));
    first.publish(topic, event('e-1'), { qos: 1 });
    await closed;
    expect((await hub.devices.view('d-events')).events).toHaveLength(0);
    fail = false;
    const second = await deviceClient(hub, identity);
    await second.publishAsync(topic, event('e-1'), { qos: 1 });
    await second.publishAsync(topic, event('e-1'), { qos: 1 });
    expect(received.filter((one) => one === 'd-events e-1')).toHaveLength(1);
    expect((await hub.devices.view('d-events')).events).toHaveLength(1);
    second.end(true);
  });

  it('drop what does not fit its schema, and stay connected', async () => {
    const device = await deviceClient(hub, await hub.enrol('d-garbage'));
    for (const leaf of ['reported', 'events', 'presence'] as const) {
      for (const payload of ['', '{', '{"v":1}', '[]', Buffer.from([0xff, 0xfe])]) {
        await device.publishAsync(topics.device('d-garbage', leaf), payload, { qos: 1 });
      }
    }
    expect(await hub.devices.get('d-garbage')).toMatchObject({ connected: true, models: [] });
    const told = hub.refused.filter(({ actor }) => actor === 'device:d-garbage');
    expect(told).toHaveLength(15);
    expect(told[0]).toMatchObject({ kind: 'payload', reason: expect.stringMatching(/^reported: /) });
    device.end(true);
  });

  it('are removed: cut off at once, out of the lists, in the audit log', async () => {
    const identity = await hub.enrol('d-gone');
    const device = await deviceClient(hub, identity);
    const closed = new Promise<void>((resolve) => device.once('close', () => resolve()));
    await client.delete('/devices/d-gone');
    await closed;
    expect(hub.broker.isConnected('d-gone')).toBe(false);
    await expect(deviceClient(hub, identity)).rejects.toMatchObject({ code: 5 });
    for (const call of [
      () => client.get('/devices/d-gone'),
      () => client.delete('/devices/d-gone'),
      () => client.patch('/devices/d-gone', { group: 'x' }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'not_found' });
    }
    expect(await hub.devices.idsInGroup(undefined)).not.toContain('d-gone');
    const [row] = await hub.audit.list({ action: 'device.removed' });
    expect(row).toMatchObject({ actor: 'token:op', target: 'device/d-gone' });
  });
});

describe('join tokens over REST', () => {
  let hub: ConnectionHub;
  let client: HttpHubClient;
  beforeAll(async () => {
    hub = await ConnectionHub.start();
    client = new HttpHubClient({ url: hub.url, token: hub.operatorSecret, ca: hub.authority.caPem });
  });
  afterAll(async () => {
    await client.close();
    await hub.stop();
  });

  it('are made, listed without their secret, and revoked', async () => {
    const made = (await client.post('/join-tokens', { group: 'g', uses: 3, ttlMs: 60_000 })) as {
      id: string;
      token: string;
    };
    expect(made.token).toMatch(/^mfj1\./);
    const list = await client.get('/join-tokens');
    expect(list).toMatchObject({
      joinTokens: [{ id: made.id, usesLeft: 3, status: 'usable', createdBy: 'op' }],
    });
    expect(JSON.stringify(list)).not.toContain(made.token);
    await client.delete(`/join-tokens/${made.id}`);
    expect(await client.get('/join-tokens')).toMatchObject({ joinTokens: [{ status: 'revoked' }] });
    await expect(client.delete(`/join-tokens/${made.id}`)).rejects.toMatchObject({ code: 'not_found' });
    const actions = (await hub.audit.list({ action: 'join_token' })).map((row) => row.action);
    expect(actions).toEqual(['join_token.revoked', 'join_token.created']);
  });

  it('keep no secret in the database', async () => {
    const { secret } = (await import('../../../../shared/protocol/join-token.ts')).parseJoinToken(
      await hub.token(),
    );
    const rows = await hub.database.selectFrom('join_token').selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  it.each([{ uses: 0 }, { uses: 1e9 }, { ttlMs: 1 }, { ttlMs: 1e15 }, { group: 'a/b' }])(
    'are refused with %j',
    async (body) => {
      await expect(client.post('/join-tokens', body)).rejects.toMatchObject({ code: 'bad_input' });
    },
  );
});
