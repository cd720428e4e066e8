/** Lists of a running hub: every page of each, once and in order, with filters, while rows come. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import { deviceRow } from '../../../support/device-row.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { storeRollouts } from '../../../support/stored-rollouts.ts';

const ROLLOUTS = 120;
let hub: RunningHub;

beforeAll(async () => {
  hub = await RunningHub.start();
  await storeRollouts(
    hub.data,
    Array.from({ length: ROLLOUTS }, (_, i) => ({
      id: `r-${i.toString(16).padStart(12, '0')}`,
      // Several of one millisecond, as a program makes them.
      createdAt: 1_000 + Math.floor(i / 7),
      model: i % 2 === 0 ? 'even' : 'odd',
      ...(i % 3 === 0 ? { group: 'lab' } : {}),
      status: i % 5 === 0 ? 'aborted' : 'completed',
    })),
  );
  const database = await openDatabase(join(hub.data, 'hub.db'));
  for (const name of ['a', 'b', 'c']) {
    await database.insertInto('model').values({ name, created_at: 1 }).execute();
    for (const release of [1, 2, 10]) {
      const digest = Buffer.from(`${name}${release}`).toString('hex').padStart(64, '0');
      await database
        .insertInto('version')
        .values({
          model: name,
          version: `1.0.${release}`,
          release,
          manifest_sha256: digest,
          manifest: Buffer.from('{}'),
          published_at: 1,
          published_by: 'test',
          withdrawn_at: name === 'b' && release === 2 ? 5 : null,
          withdrawn_reason: name === 'b' && release === 2 ? 'wrong units' : null,
        })
        .execute();
    }
  }
  await database
    .insertInto('device')
    .values(
      Array.from({ length: 5 }, (_, i) => ({
        ...deviceRow(`d-${i}`),
        device_group: i % 2 === 0 ? 'lab' : 'field',
        certificate_serial: `s-${i}`,
        certificate_sha256: `s-${i}`,
        enrolled_at: 100 - Math.floor((i + 1) / 2),
      })),
    )
    .execute();
  await database
    .insertInto('desired_model')
    .values(
      ['d-0', 'd-1'].map((device_id, i) => ({
        device_id,
        model: 'a',
        version: i === 0 ? '1.0.1' : '1.0.2',
        release: i + 1,
        manifest_sha256: '0'.repeat(64),
        rollout_id: null,
        offer: null,
        trial: '{}',
        set_at: 1,
      })),
    )
    .execute();
  for (let i = 0; i < 5; i += 1) {
    const id = `jt-00000000000${i}`;
    const group = i % 2 === 0 ? 'lab' : 'field';
    await database
      .insertInto('join_token')
      .values({
        id,
        secret_sha256: id,
        device_group: group,
        uses_left: i === 3 ? 0 : 1,
        uses_total: 1,
        created_at: 1_000,
        expires_at: i === 2 ? 2_000 : 4_000_000_000_000,
        revoked_at: i === 1 ? 1_500 : null,
        created_by: 'test',
      })
      .execute();
    await hub.client.post('/tokens', { name: `t-${i}`, role: i < 2 ? 'viewer' : 'operator' });
  }
  await database.destroy();
}, 60_000);
afterAll(() => hub?.stop());

type Row = Readonly<Record<string, never>>;

/** Every row of the list at `path`, read in pages of `limit`. */
async function all(path: string, key: string, query: Record<string, string> = {}, limit = 2): Promise<Row[]> {
  const rows: Row[] = [];
  for (let after: string | undefined; ; ) {
    const page = (await hub.client.get(path, { ...query, after, limit })) as Record<string, Row[]> & {
      next?: string;
    };
    rows.push(...page[key]!);
    expect(page[key]!.length).toBeLessThanOrEqual(limit);
    if (page.next === undefined) return rows;
    expect(page[key]).toHaveLength(limit);
    after = page.next;
  }
}

describe('lists', () => {
  it('says that 120 rollouts are more than the 100 of a page, and gives the others with the next', async () => {
    const first = (await hub.client.get('/rollouts')) as { rollouts: Row[]; next: string };
    expect(first.rollouts).toHaveLength(100);
    const second = (await hub.client.get('/rollouts', { after: first.next })) as { rollouts: Row[] };
    expect(second).toEqual({ rollouts: expect.any(Array) });
    const ids = [...first.rollouts, ...second.rollouts].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ROLLOUTS);
  });

  it.each([7, 40, 120, 500])('gives each rollout once, newest first, in pages of %d', async (limit) => {
    const rows = await all('/rollouts', 'rollouts', {}, limit);
    expect(rows).toHaveLength(ROLLOUTS);
    const keys = rows.map(({ createdAt, id }) => `${String(createdAt).padStart(8, '0')} ${id}`);
    expect(keys).toEqual([...keys].sort().reverse());
  });

  it.each([
    [{ model: 'odd' }, 60],
    [{ group: 'lab' }, 40],
    [{ status: 'aborted' }, 24],
    [{ model: 'even', group: 'lab', status: 'completed' }, 16],
    [{ model: 'other' }, 0],
  ])('filters rollouts by %j', async (filter, count) => {
    expect(await all('/rollouts', 'rollouts', filter as Record<string, string>, 9)).toHaveLength(count);
  });

  it('goes on where it was although newer rollouts have come', async () => {
    const first = (await hub.client.get('/rollouts', { limit: 10 })) as { rollouts: Row[]; next: string };
    await storeRollouts(hub.data, [{ id: 'r-ffffffffffff', createdAt: 9_000, model: 'late' }]);
    const second = (await hub.client.get('/rollouts', { limit: 10, after: first.next })) as {
      rollouts: Row[];
    };
    const ids = [...first.rollouts, ...second.rollouts].map(({ id }) => id);
    expect(new Set(ids).size).toBe(20);
  });

  it('gives tokens and join tokens in pages and by filter', async () => {
    expect((await all('/tokens', 'tokens')).map(({ name }) => name)).toEqual([
      'admin',
      't-0',
      't-1',
      't-2',
      't-3',
      't-4',
    ]);
    expect(await all('/tokens', 'tokens', { role: 'viewer' }, 1)).toHaveLength(2);
    expect(new Set((await all('/join-tokens', 'joinTokens')).map(({ id }) => id)).size).toBe(5);
    expect(await all('/join-tokens', 'joinTokens', { group: 'lab' })).toHaveLength(3);
    for (const [status, count] of Object.entries({ usable: 2, revoked: 1, expired: 1, 'used-up': 1 })) {
      const rows = await all('/join-tokens', 'joinTokens', { status }, 1);
      expect(rows.map((row) => row.status)).toEqual(Array(count).fill(status));
    }
    expect(await all('/join-tokens', 'joinTokens', { group: 'field', status: 'revoked' })).toHaveLength(1);
  });

  it('gives models with their newest version and number of versions, and versions by release', async () => {
    expect(await all('/models', 'models')).toMatchObject(
      ['a', 'b', 'c'].map((model) => ({ model, versions: 3, newest: { version: '1.0.10', release: 10 } })),
    );
    expect((await all('/models/b', 'versions')).map(({ release }) => release)).toEqual([1, 2, 10]);
    const releases = async (model: string, state: string) =>
      (await all(`/models/${model}`, 'versions', { state }, 1)).map(({ release }) => release);
    expect(await releases('b', 'published')).toEqual([1, 10]);
    expect(await releases('b', 'withdrawn')).toEqual([2]);
    expect(await releases('a', 'withdrawn')).toEqual([]);
    await expect(hub.client.get('/models/none', { state: 'withdrawn' })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(hub.client.get('/models/none')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('gives models, versions, devices and groups in each of their orders, both ways', async () => {
    const names = async (path: string, key: string, of: string, sort: string) =>
      (await all(path, key, { sort }, 2)).map((row) => row[of]);
    expect(await names('/models', 'models', 'model', '-model')).toEqual(['c', 'b', 'a']);
    expect(await names('/models/a', 'versions', 'release', '-release')).toEqual([10, 2, 1]);
    expect(await names('/models/a', 'versions', 'release', 'publishedAt')).toEqual([1, 2, 10]);
    expect(await names('/models/a', 'versions', 'release', '-publishedAt')).toEqual([10, 2, 1]);
    expect(await names('/devices', 'devices', 'id', 'id')).toEqual(['d-0', 'd-1', 'd-2', 'd-3', 'd-4']);
    expect(await names('/devices', 'devices', 'id', '-id')).toEqual(['d-4', 'd-3', 'd-2', 'd-1', 'd-0']);
    // Two were enrolled at each time.
    expect(await names('/devices', 'devices', 'id', 'enrolledAt')).toEqual([
      'd-3',
      'd-4',
      'd-1',
      'd-2',
      'd-0',
    ]);
    expect(await names('/groups', 'groups', 'group', '-group')).toEqual(['lab', 'field']);
  });

  it('filters devices by group, by what they are to run, and by whether they are connected', async () => {
    const ids = async (query: Record<string, string>) =>
      (await all('/devices', 'devices', query, 10)).map(({ id }) => id);
    expect(await ids({ group: 'lab' })).toEqual(['d-0', 'd-2', 'd-4']);
    expect(await ids({ model: 'a' })).toEqual(['d-0', 'd-1']);
    expect(await ids({ model: 'a', version: '1.0.2', group: 'field' })).toEqual(['d-1']);
    expect(await ids({ model: 'a', version: '1.0.10' })).toEqual([]);
    expect(await ids({ connected: 'true' })).toEqual([]);
    expect(await ids({ connected: 'false' })).toHaveLength(5);
  });

  it('loses no device and gives none twice while others come and go between pages', async () => {
    const database = await openDatabase(join(hub.data, 'hub.db'));
    const first = (await hub.client.get('/devices', { limit: 2, sort: 'enrolledAt' })) as {
      devices: Row[];
      next: string;
    };
    await database
      .insertInto('device')
      .values({
        ...deviceRow('d-00'),
        certificate_serial: 'd-00',
        certificate_sha256: 'd-00',
        enrolled_at: 1,
      })
      .execute();
    await database.updateTable('device').set({ revoked_at: 1 }).where('id', '=', 'd-3').execute();
    const rest = (await hub.client.get('/devices', { sort: 'enrolledAt', after: first.next })) as {
      devices: Row[];
    };
    const ids = [...first.devices, ...rest.devices].map(({ id }) => id);
    expect(ids).toEqual(['d-3', 'd-4', 'd-1', 'd-2', 'd-0']);
    await database.deleteFrom('device').where('id', '=', 'd-00').execute();
    await database.updateTable('device').set({ revoked_at: null }).where('id', '=', 'd-3').execute();
    await database.destroy();
  });

  it('refuses the cursor of one order in another, and a sort that there is not', async () => {
    for (const path of ['/devices', '/models/a', '/tokens', '/rollouts']) {
      const page = (await hub.client.get(path, { limit: 1 })) as { next: string };
      const other = path === '/rollouts' ? 'createdAt' : path === '/models/a' ? 'publishedAt' : '-createdAt';
      const sort = path === '/devices' ? 'enrolledAt' : other;
      await expect(hub.client.get(path, { after: page.next, sort })).rejects.toMatchObject({
        code: 'bad_input',
        message: expect.stringContaining('Use the cursor with its own sort.'),
      });
      await expect(hub.client.get(path, { sort: 'colour' })).rejects.toMatchObject({ code: 'bad_input' });
    }
  });

  it('gives the audit log in pages, and no next behind its first event', async () => {
    const numbers = (await all('/audit', 'events', {}, 3)).map(({ number }) => number);
    expect(numbers.at(-1)).toBe(1);
    expect(new Set(numbers).size).toBe(numbers[0]);
  });

  it.each(['/rollouts', '/join-tokens', '/audit', '/tokens', '/devices', '/models', '/groups'])(
    'refuses a cursor of %s that it has not given',
    async (path) => {
      await expect(hub.client.get(path, { after: ' 1 or 1' })).rejects.toMatchObject({ code: 'bad_input' });
    },
  );
});
