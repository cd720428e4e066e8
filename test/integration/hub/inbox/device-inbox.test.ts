import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../../../hub/db/database.ts';
import { DeviceInbox, type EntryWriter } from '../../../../hub/inbox/device-inbox.ts';
import { countTurns } from '../../../support/loop-turns.ts';
import { canMount, fillDisk, smallDisk } from '../../../support/small-disk.ts';

const full = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });

/** Stores texts as rows of `model`; `fail` makes some of them fail. */
class Texts implements EntryWriter<string> {
  fail: (text: string) => void = () => undefined;
  prepared = 0;
  readonly announced: string[] = [];

  async prepare(entries: readonly { readonly body: string }[]): Promise<void> {
    this.prepared += entries.length;
  }

  async write(
    entries: readonly { readonly body: string }[],
    tx: Parameters<EntryWriter<string>['write']>[1],
  ): Promise<() => void> {
    for (const { body } of entries) {
      this.fail(body);
      await tx.insertInto('model').values({ name: body, created_at: 0 }).execute();
    }
    return () => this.announced.push(...entries.map(({ body }) => body));
  }
}

async function world(file = ':memory:') {
  const database = await openDatabase(file);
  onTestFinished(() => database.destroy());
  const lines: { level: number; msg: string }[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const inbox = new DeviceInbox({ database, logger });
  onTestFinished(() => inbox.close());
  const texts = new Texts();
  /** Puts `dev text` into the inbox. */
  const put = (text: string, bytes = 10) =>
    inbox.store(texts, { deviceId: text.split(' ')[0]!, body: text, bytes });
  return { database, inbox, texts, lines, put };
}

const stored = async (database: Database) =>
  (
    await database
      .selectFrom('model')
      .select('name')
      .orderBy(({ ref }) => ref('rowid' as 'name'))
      .execute()
  ).map(({ name }) => name);

describe('the inbox of device messages', () => {
  it('stores messages of many devices in few transactions, in the order of each device', async () => {
    const { database, inbox, put } = await world();
    const texts = Array.from({ length: 1_000 }, (_, n) => `d${n % 10} ${n}`);
    await Promise.all(texts.map((text) => put(text)));
    expect(inbox.counts).toMatchObject({ stored: 1_000, refused: 0, held: 0 });
    expect(inbox.counts.batches).toBeLessThan(100);
    for (let d = 0; d < 10; d += 1) {
      const own = (text: string) => text.startsWith(`d${d} `);
      expect((await stored(database)).filter(own)).toEqual(texts.filter(own));
    }
  });

  it('has stored what was committed, even if a listener fails', async () => {
    const { database, inbox, texts, lines, put } = await world();
    texts.announced.push = () => {
      throw new Error('the listener failed');
    };
    await Promise.all([put('d0 1'), put('d1 1')]);
    expect(await stored(database)).toEqual(['d0 1', 'd1 1']);
    expect(inbox.counts).toMatchObject({ stored: 2, batches: 1, refused: 0 });
    expect(lines.map(({ msg }) => msg)).toEqual(['a listener failed after a message of a device was stored']);
  });

  it('serves a quiet device at once while another has sent a burst', async () => {
    const { put } = await world();
    let done = 0;
    const burst = Array.from({ length: 5_000 }, (_, n) =>
      put(`loud ${n}`).then(() => {
        done += 1;
      }),
    );
    await burst[0];
    const before = done;
    await put('quiet 1');
    // One batch may have been under way, and the next holds it.
    expect(done - before).toBeLessThan(1_100);
    await Promise.all(burst);
  });

  it('lets the event loop and other users of the database go on during a burst', async () => {
    const { database, put } = await world();
    let answers = 0;
    const turns = await countTurns(async () => {
      let isOver = false;
      const burst = Promise.all(Array.from({ length: 5_000 }, (_, n) => put(`d${n % 10} ${n}`))).then(() => {
        isOver = true;
      });
      while (!isOver) {
        await database.selectFrom('meta').selectAll().execute();
        answers += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await burst;
    });
    expect(turns).toBeGreaterThan(10);
    expect(answers).toBeGreaterThan(10);
  });

  it('refuses a message that fails on its own account, and what its device sent after it, and stores all others', async () => {
    const { database, inbox, texts, put } = await world();
    texts.fail = (text) => {
      if (text === 'bad 3') throw new Error('cannot be stored');
    };
    const sent = Array.from({ length: 6 }, (_, n) => [
      put(`good ${n}`),
      put(`bad ${n}`),
      put(`other ${n}`),
    ]).flat();
    const outcomes = await Promise.allSettled(sent);
    const bad = outcomes.filter((_, at) => at % 3 === 1).map(({ status }) => status);
    expect(bad).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected', 'rejected']);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(3);
    expect(await stored(database)).toHaveLength(15);
    expect(inbox.counts).toMatchObject({ stored: 15, refused: 3 });
    texts.fail = () => undefined;
    await put('bad 3');
    expect(texts.announced).toHaveLength(16);
  });

  it('holds what cannot be stored now, logs it once, and stores all of it in order when it can', async () => {
    const { database, inbox, texts, lines, put } = await world();
    let isFull = true;
    texts.fail = () => {
      if (isFull) throw full;
    };
    const sent = ['a 1', 'a 2', 'b 1'].map((text) => put(text));
    await expect.poll(() => inbox.counts.held).toBeGreaterThan(2);
    expect(inbox.isHeld).toBe(true);
    expect(inbox.waiting).toBe(3);
    isFull = false;
    await Promise.all(sent);
    expect(inbox.isHeld).toBe(false);
    expect((await stored(database)).filter((text) => text.startsWith('a'))).toEqual(['a 1', 'a 2']);
    expect(lines.map(({ msg }) => msg)).toEqual([
      'the hub cannot store messages of devices at present; it keeps them and tries again',
      'the hub can store messages of devices again',
    ]);
  });

  it('refuses nothing while the database is damaged: no message is the cause of that', async () => {
    const { inbox, texts, put } = await world();
    let isDamaged = true;
    texts.fail = () => {
      if (isDamaged)
        throw Object.assign(new Error('database disk image is malformed'), { code: 'SQLITE_CORRUPT' });
    };
    const sent = ['a 1', 'a 2', 'b 1'].map((text) => put(text));
    await expect.poll(() => inbox.counts.held).toBeGreaterThan(2);
    expect(inbox.counts.refused).toBe(0);
    isDamaged = false;
    await Promise.all(sent);
  });

  it('continues with the others when only those of one device cannot be stored', async () => {
    const { inbox, texts, put } = await world();
    let isTorn = true;
    texts.fail = (text) => {
      if (isTorn && text.startsWith('torn'))
        throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_READ' });
    };
    const torn = put('torn 1');
    await expect.poll(() => inbox.isHeld).toBe(true);
    await put('whole 1');
    await put('whole 2');
    isTorn = false;
    await torn;
  });

  it('drops what waits of a device that is gone, and keeps what the hub noticed of it', async () => {
    const { database, inbox, texts, put } = await world();
    let isFull = true;
    texts.fail = () => {
      if (isFull) throw full;
    };
    const outcome = Promise.allSettled([put('gone 1'), put('there 1')]);
    const noted = inbox.note(texts, { deviceId: 'gone', body: 'gone seen' });
    await expect.poll(() => inbox.isHeld).toBe(true);
    inbox.forget('gone');
    isFull = false;
    await noted;
    expect((await outcome).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect((await stored(database)).sort()).toEqual(['gone seen', 'there 1']);
  });

  it('stores what it has accepted before it closes, and accepts nothing more', async () => {
    const { database, inbox, put } = await world();
    const taken = Array.from({ length: 100 }, (_, n) => put(`d ${n}`));
    await inbox.close();
    await Promise.all(taken);
    expect(await stored(database)).toHaveLength(100);
    await expect(put('d late')).rejects.toMatchObject({ code: 'hub_unreachable' });
  });

  it('closes also while nothing can be stored, and acknowledges nothing', async () => {
    const { inbox, texts, put } = await world();
    texts.fail = () => {
      throw full;
    };
    const outcome = Promise.allSettled(['a 1', 'a 2', 'b 1'].map((text) => put(text)));
    await expect.poll(() => inbox.isHeld).toBe(true);
    await inbox.close();
    expect((await outcome).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  it.skipIf(!canMount)(
    'holds messages while the disk is full, and stores them when there is free space again',
    async () => {
      const disk = await smallDisk(4_096);
      const { database, inbox, put } = await world(join(disk, 'hub.db'));
      await put('d before');
      const freeSpace = await fillDisk(disk);
      const sent = Array.from({ length: 200 }, (_, n) => put(`d ${n} ${'x'.repeat(5_000)}`));
      await expect.poll(() => inbox.isHeld).toBe(true);
      // What was stored can be read meanwhile.
      expect((await stored(database))[0]).toBe('d before');
      await freeSpace();
      await Promise.all(sent);
      expect(await stored(database)).toHaveLength(201);
    },
  );
});
