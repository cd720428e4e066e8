/** POSTs with an idempotency key, against a running hub over TLS. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../hub/db/database.ts';
import { IdempotentRequestStore } from '../../../hub/idempotency/idempotent-request-store.ts';
import { IdempotentRetention } from '../../../hub/idempotency/idempotent-retention.ts';
import { limits } from '../../../shared/base/limits.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tlsCaller } from '../../support/tls-caller.ts';

let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
}, 60_000);
afterAll(() => hub?.stop());

const admin = () => tlsCaller(hub, hub.adminToken);
const keyed = (key: string, body: object) => ({ body, headers: { 'idempotency-key': key } });
const viewer = (name: string) => ({ name, role: 'viewer' });

async function inDatabase<T>(
  work: (database: Awaited<ReturnType<typeof openDatabase>>) => Promise<T>,
): Promise<T> {
  const database = await openDatabase(join(hub.data, 'hub.db'));
  try {
    return await work(database);
  } finally {
    await database.destroy();
  }
}

describe('Idempotency-Key', () => {
  it('gives a repetition the answer of the first request, secret included, and does nothing', async () => {
    const call = admin();
    const first = await call('POST', '/tokens', keyed('k-1', viewer('once')));
    const again = await call('POST', '/tokens', keyed('k-1', viewer('once')));
    expect(first.json.secret).toMatch(/^mft_/);
    expect(again).toMatchObject({ status: first.status, json: first.json });
    expect(again.headers).toMatchObject({
      'idempotent-replayed': 'true',
      'cache-control': 'no-store',
    });
    expect(again.headers.location).toBe(first.headers.location);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    // The same fields in another order are the same request.
    expect((await call('POST', '/tokens', keyed('k-1', { role: 'viewer', name: 'once' }))).json).toEqual(
      first.json,
    );
    const audit = (await call('GET', '/audit?target=token/once')).json.events;
    expect(audit).toHaveLength(1);
  });

  it('keeps no secret that the database alone could show', async () => {
    const { json } = await admin()('POST', '/tokens', keyed('k-secret', viewer('sealed')));
    const files = await Promise.all(['hub.db', 'hub.db-wal'].map((file) => readFile(join(hub.data, file))));
    expect(Buffer.concat(files).includes('token/sealed')).toBe(true);
    expect(Buffer.concat(files).includes(json.secret)).toBe(false);
    expect(Buffer.concat(files).includes('k-secret')).toBe(false);
  });

  it('is refused with another request, whoever answers first', async () => {
    const call = admin();
    await call('POST', '/tokens', keyed('k-2', viewer('two')));
    const other = await call('POST', '/tokens', keyed('k-2', viewer('three')));
    expect(other).toMatchObject({ status: 422, json: { code: 'idempotency_key_reused' } });
    expect((await call('GET', '/tokens/three')).status).toBe(404);
  });

  it('belongs to the token it was sent with', async () => {
    const { json } = await admin()('POST', '/tokens', { body: { name: 'admin-2', role: 'admin' } });
    const mine = await admin()('POST', '/tokens', keyed('k-3', viewer('mine')));
    const theirs = await tlsCaller(hub, json.secret)('POST', '/tokens', keyed('k-3', viewer('theirs')));
    expect(theirs.json.token.name).toBe('theirs');
    expect(theirs.json.secret).not.toBe(mine.json.secret);
  });

  it('lets one of many through that come at once: the others get its answer, or are told to wait', async () => {
    const call = admin();
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => call('POST', '/tokens', keyed('k-4', viewer('crowd')))),
    );
    const done = answers.filter(({ status }) => status < 300);
    expect(done.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(1);
    expect(new Set(done.map(({ json }) => json.secret)).size).toBe(1);
    for (const { status, json, headers } of answers.filter((answer) => answer.status >= 300)) {
      expect({ status, code: json.code, wait: headers['retry-after'] }).toEqual({
        status: 409,
        code: 'idempotency_in_progress',
        wait: '1',
      });
    }
    expect((await call('POST', '/tokens', keyed('k-4', viewer('crowd')))).json).toEqual(done[0]!.json);
  });

  it('of a request that was refused is free: once its cause is gone, the same request is done', async () => {
    const call = admin();
    const body = { group: 'lab', uses: 1, ttlMs: 60_000 };
    // There is no trust root yet.
    expect(await call('POST', '/join-tokens', keyed('k-5', body))).toMatchObject({
      status: expect.any(Number),
      json: { code: 'trust_not_initialised' },
    });
    expect((await call('POST', '/join-tokens', keyed('k-5', body))).json.code).toBe('trust_not_initialised');
    expect(await call('POST', '/tokens', keyed('k-5', viewer('after-refusal')))).toMatchObject({
      json: { token: { name: 'after-refusal' } },
    });
  });

  it.each(['', 'x'.repeat(256), 'two words'])('of the form %j is refused', async (key) => {
    const answer = await admin()('POST', '/tokens', keyed(key, viewer('bad-key')));
    expect(answer).toMatchObject({ status: 400, json: { code: 'bad_input' } });
  });

  it('answers the same after the hub was started again', async () => {
    const first = await admin()('POST', '/tokens', keyed('k-6', viewer('survivor')));
    await hub.restart();
    const again = await admin()('POST', '/tokens', keyed('k-6', viewer('survivor')));
    expect(again).toMatchObject({ status: first.status, json: first.json });
    expect(again.headers['idempotent-replayed']).toBe('true');
  });

  it('of a request whose hub was killed before it stored the answer says what was done, and does it no second time', async () => {
    await admin()('POST', '/tokens', keyed('k-7', viewer('half')));
    await inDatabase((database) =>
      database.updateTable('idempotent_request').set({ answer: null }).execute(),
    );
    const again = await admin()('POST', '/tokens', keyed('k-7', viewer('half')));
    expect(again).toMatchObject({
      status: 409,
      json: { code: 'idempotency_answer_lost', details: { target: 'token/half' } },
    });
  });

  it('is noted in the transaction of the effect: one that is rolled back leaves no note', async () => {
    const call = admin();
    await call('POST', '/tokens', { body: viewer('taken') });
    expect((await call('POST', '/tokens', keyed('k-8', viewer('taken')))).json.code).toBe('conflict');
    const key_sha256 = createHash('sha256').update('k-8').digest('hex');
    expect(
      await inDatabase((database) =>
        new IdempotentRequestStore(database).find({ token: 'admin', key_sha256 }),
      ),
    ).toBeUndefined();
  });

  it('leaves after a day, by retention, and then stands for a new request', async () => {
    const call = admin();
    await call('POST', '/tokens', keyed('k-9', viewer('yesterday')));
    await inDatabase(async (database) => {
      const old = Date.now() - limits.idempotentRequestKeptMs - 1;
      const store = new IdempotentRequestStore(database);
      await database.updateTable('idempotent_request').set({ made_at: old }).execute();
      expect((await call('POST', '/tokens', keyed('k-9', viewer('yesterday')))).json.code).toBe('conflict');
      const retention = new IdempotentRetention(store);
      const { count } = await retention.find(Date.now());
      expect(count).toBeGreaterThan(3);
      expect(await retention.removeSome(Date.now())).toMatchObject({ count, isMore: false });
      expect(await retention.find(Date.now())).toMatchObject({ count: 0 });
    });
  });

  it('is refused when a token has as many stored as it may', async () => {
    await inDatabase(async (database) => {
      for (let n = 0; n < limits.idempotentRequestsPerTokenMax; n += 1_000) {
        const rows = Array.from({ length: 1_000 }, (_, i) => ({
          token: 'admin',
          key_sha256: `f${n + i}`,
          request_sha256: 'x',
          made_at: Date.now(),
          target: null,
          answer: null,
        }));
        for (let i = 0; i < 1_000; i += 100)
          await database
            .insertInto('idempotent_request')
            .values(rows.slice(i, i + 100))
            .execute();
      }
    });
    const answer = await admin()('POST', '/tokens', keyed('k-10', viewer('too-many')));
    expect(answer).toMatchObject({ status: 429, json: { code: 'idempotency_keys_exhausted' } });
    expect(answer.headers['retry-after']).toBeDefined();
    expect((await admin()('POST', '/tokens', { body: viewer('too-many') })).status).toBeLessThan(300);
  });
});
