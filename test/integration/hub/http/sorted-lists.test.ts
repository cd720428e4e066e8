/** Orders of lists, their cursors and links, against a running hub; and that each order is that of an index. */
import { join } from 'node:path';
import { type CompiledQuery, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import { DeviceStore } from '../../../../hub/devices/device-store.ts';
import { inOrder } from '../../../../hub/http/sorting.ts';
import { auditActions } from '../../../../shared/api/audit.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { storeRollouts } from '../../../support/stored-rollouts.ts';
import { tlsCaller } from '../../../support/tls-caller.ts';

let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
  await storeRollouts(
    hub.data,
    Array.from({ length: 25 }, (_, i) => ({
      id: `r-${i.toString(16).padStart(12, '0')}`,
      createdAt: 1_000 + Math.floor(i / 4),
      model: 'air',
      status: 'completed' as const,
    })),
  );
  for (const name of ['zeta', 'alpha', 'mid']) await hub.client.post('/tokens', { name, role: 'viewer' });
}, 60_000);
afterAll(() => hub?.stop());

const admin = () => tlsCaller(hub, hub.adminToken);

/** Every row, by following links. */
async function followed(path: string, key: string) {
  const call = admin();
  const rows: Record<string, unknown>[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer = await call('GET', next);
    expect(answer.status).toBe(200);
    rows.push(...answer.json[key]);
    const link: string | undefined = /^<\/api\/v1(.*)>; rel="next"$/.exec(answer.headers.link ?? '')?.[1];
    expect(link === undefined).toBe(answer.json.next === undefined);
    next = link;
  }
  return rows;
}

describe('sorted lists', () => {
  it.each([
    ['/tokens?sort=name&limit=1', 'tokens', 'name', ['admin', 'alpha', 'mid', 'zeta']],
    ['/tokens?sort=-name&limit=3', 'tokens', 'name', ['zeta', 'mid', 'alpha', 'admin']],
    ['/tokens?sort=createdAt&limit=1', 'tokens', 'name', ['admin', 'zeta', 'alpha', 'mid']],
    ['/tokens?sort=-createdAt&limit=2&role=viewer', 'tokens', 'name', ['mid', 'alpha', 'zeta']],
  ])('gives %s in its order, page by page', async (path, key, field, expected) => {
    expect((await followed(path, key)).map((row) => row[field])).toEqual(expected);
  });

  it('gives rollouts oldest first where that is asked for, each once, also while newer ones come', async () => {
    const first = (await admin()('GET', '/rollouts?sort=createdAt&limit=10')).json;
    await storeRollouts(hub.data, [{ id: 'r-eeeeeeeeeeee', createdAt: 500, model: 'early' }]);
    const rest = await followed(`/rollouts?sort=createdAt&limit=4&after=${first.next}`, 'rollouts');
    const ids = [...first.rollouts, ...rest].map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: 25 }, (_, i) => `r-${i.toString(16).padStart(12, '0')}`));
  });

  it('gives the audit log from its beginning, and of a span of time', async () => {
    const events = await followed('/audit?sort=number&limit=2', 'events');
    expect(events.map(({ number }) => number)).toEqual(events.map((_, i) => i + 1));
    const { at } = events.at(-1)!;
    const later = await followed(`/audit?since=${at}`, 'events');
    expect(later.length).toBeGreaterThan(0);
    expect(later.every((event) => Number(event['at']) >= Number(at))).toBe(true);
    expect(await followed(`/audit?until=${events[0]!['at']}`, 'events')).toEqual([]);
  });

  it('refuses a cursor of another sort, an unknown sort, and what is no cursor', async () => {
    const call = admin();
    const { next } = (await call('GET', '/tokens?sort=name&limit=1')).json;
    const other = await call('GET', `/tokens?sort=createdAt&after=${next}`);
    expect(other).toMatchObject({
      status: 400,
      json: { code: 'bad_input', detail: expect.stringContaining('cursor of sort "name"') },
    });
    expect(await call('GET', `/rollouts?after=${next}`)).toMatchObject({ status: 400 });
    const unknown = await call('GET', '/tokens?sort=secret');
    expect(unknown).toMatchObject({ status: 400, json: { code: 'bad_input' } });
    const forged = Buffer.from(JSON.stringify(['name', [{}]])).toString('base64url');
    for (const after of ['x', '%00', forged, Buffer.from('["name",["a","b"]]').toString('base64url')]) {
      expect(await call('GET', `/tokens?after=${after}`)).toMatchObject({
        status: 400,
        json: { code: 'bad_input' },
      });
    }
  });

  it.each([
    ['rollout', ['created_at', 'id']],
    ['join_token', ['created_at', 'id']],
    ['join_token', ['expires_at', 'id']],
    ['api_token', ['name']],
    ['api_token', ['created_at', 'name']],
    ['audit_event', ['number']],
    ['device', ['id']],
    ['device_total', ['device_group']],
    ['alert', ['pending_at', 'id']],
    ['alert_silence', ['created_at', 'id']],
    ['alert_delivery', ['number']],
  ] as const)('reads %s by %j along an index, from the cursor on', async (table, columns) => {
    const database = await openDatabase(join(hub.data, 'hub.db'));
    try {
      for (const isDescending of [false, true]) {
        const query = database
          .selectFrom(table as 'rollout')
          .selectAll()
          .limit(10);
        const after = columns.map(() => 1);
        const compiled: CompiledQuery = inOrder(query, { columns, isDescending, after }).compile();
        const plan = await database.executeQuery<{ detail: string }>({
          ...compiled,
          sql: `explain query plan ${compiled.sql}`,
        } as never);
        const details = plan.rows.map(({ detail }) => detail);
        expect(details).toEqual([expect.stringMatching(/^SEARCH /)]);
      }
    } finally {
      await database.destroy();
    }
  });

  it.each([
    [{}, ['id']],
    [{}, ['enrolled_at', 'id']],
    [{ group: 'lab' }, ['id']],
    [{ group: 'lab' }, ['enrolled_at', 'id']],
    [{ model: 'm' }, ['id']],
    [{ model: 'm', version: '1.0.0' }, ['id']],
    [{ group: 'lab', model: 'm', version: '1.0.0' }, ['id']],
    [{ model: 'm', version: '1.0.0' }, ['enrolled_at', 'id']],
  ])('finds devices of %j in the order of %j along an index, without sorting', async (filter, columns) => {
    const database = await openDatabase(join(hub.data, 'hub.db'));
    try {
      for (const isDescending of [false, true]) {
        const position = { columns, isDescending, after: columns.map(() => 1) };
        const query = new DeviceStore(database).scanQuery(filter, { position, limit: 10 }).compile();
        const plan = await database.executeQuery<{ detail: string }>({
          ...query,
          sql: `explain query plan ${query.sql}`,
        } as never);
        const details = plan.rows.map(({ detail }) => detail).filter((one) => !one.includes('SUBQUERY'));
        for (const detail of details) expect(detail).toMatch(/^SEARCH .* USING .*INDEX /);
        expect(details[0]).toMatch(/^SEARCH (device|desired_model) .*[<>]/);
      }
    } finally {
      await database.destroy();
    }
  });

  it.each([[['release']], [['published_at', 'release']]])(
    'finds the versions of a model in the order of %j along an index',
    async (columns) => {
      const database = await openDatabase(join(hub.data, 'hub.db'));
      try {
        for (const isDescending of [false, true]) {
          const after = columns.map(() => 1);
          const query = database.selectFrom('version').select('version').where('model', '=', 'm').limit(10);
          const compiled: CompiledQuery = inOrder(query, { columns, isDescending, after }).compile();
          const plan = await database.executeQuery<{ detail: string }>({
            ...compiled,
            sql: `explain query plan ${compiled.sql}`,
          } as never);
          const details = plan.rows.map(({ detail }) => detail);
          expect(details).toEqual([expect.stringMatching(/^SEARCH .*\(model=\? AND .*[<>]/)]);
        }
      } finally {
        await database.destroy();
      }
    },
  );

  it('finds the devices of a rollout in its order along an index', async () => {
    const database = await openDatabase(join(hub.data, 'hub.db'));
    try {
      const { rows } = await sql<{
        detail: string;
      }>`explain query plan select * from rollout_device where rollout_id = 'r' and (ordinal) < (5) order by ordinal desc limit 5`.execute(
        database,
      );
      expect(rows.map(({ detail }) => detail)).toEqual([
        expect.stringMatching(/^SEARCH .*rollout_device_by_ordinal \(rollout_id=\? AND ordinal<\?\)/),
      ]);
    } finally {
      await database.destroy();
    }
  });

  it('refuses an audit action that there is not, with the nearest one', async () => {
    const call = admin();
    for (const [action, nearest] of [
      ['rollout.pausd', 'rollout.paused'],
      ['tokn', 'token'],
      ['Token.created', 'token.created'],
    ]) {
      expect(await call('GET', `/audit?action=${action}`)).toMatchObject({
        status: 400,
        json: { code: 'bad_input', detail: expect.stringContaining(`Did you mean "${nearest}"?`) },
      });
    }
    expect(await call('GET', '/audit?action=nothing.at.all')).toMatchObject({ status: 400 });
    expect(await call('GET', '/audit?action=rollout')).toMatchObject({ status: 200 });
    for (const { action } of await followed('/audit', 'events')) expect(auditActions).toContain(action);
  });

  it('finds the audit events of an action, an actor and a target along an index', async () => {
    const database = await openDatabase(join(hub.data, 'hub.db'));
    try {
      for (const where of [
        "action = 'a'",
        "(action = 'a' or (action >= 'a.' and action < 'a/'))",
        "actor = 'a'",
        "target = 'a'",
      ]) {
        const { rows } = await sql<{
          detail: string;
        }>`explain query plan select * from audit_event where ${sql.raw(where)} order by number desc limit 5`.execute(
          database,
        );
        expect(rows.map(({ detail }) => detail).join('; '), where).toMatch(/USING INDEX audit_event_by_/);
      }
    } finally {
      await database.destroy();
    }
  });
});
