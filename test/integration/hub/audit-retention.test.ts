import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chainStart } from '../../../hub/audit/audit-chain.ts';
import { AuditLog } from '../../../hub/audit/audit-log.ts';
import { AuditRetention } from '../../../hub/audit/audit-retention.ts';
import { AuditVerification } from '../../../hub/audit/audit-verification.ts';
import { openDatabase } from '../../../hub/db/database.ts';
import { limits } from '../../../shared/base/limits.ts';
import { auditRowHash, type UnhashedAuditRow } from '../../../shared/tuf/audit-row-hash.ts';
import { auditCheckpoints } from '../../support/audit-checkpoints.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const DAY_MS = 86_400_000;
const KEPT_DAYS = 400;

/** A log with one row for each age in days, in this order, and an attacker who can only write to its database. */
async function agedLog(daysOld: readonly number[]) {
  const file = join(await tempFolder(), 'hub.db');
  const database = await openDatabase(file);
  const clock = new ManualClock();
  const now = clock.now();
  const audit = new AuditLog({ database, clock });
  await database.transaction().execute(async (tx) => {
    for (const [index, days] of daysOld.entries()) {
      clock.set(now - days * DAY_MS);
      await audit.append({ actor: 'hub', action: 'hub.reloaded', target: `test/${index + 1}` }, tx);
    }
  });
  clock.set(now);
  const checkpoints = auditCheckpoints();
  const intruder = new BetterSqlite3(file);
  onTestFinished(async () => {
    intruder.close();
    await database.destroy();
  });
  const numbers = () =>
    (intruder.prepare('select number from audit_event order by number').all() as { number: number }[]).map(
      ({ number }) => number,
    );
  return {
    database,
    clock,
    audit,
    checkpoints,
    intruder,
    numbers,
    retention: new AuditRetention({ database, audit, checkpoints, keptMs: KEPT_DAYS * DAY_MS }),
    verification: new AuditVerification({ database, checkpoints }),
  };
}

describe('AuditRetention', () => {
  it('deletes old rows; the log is intact from its signed checkpoint on, which states what was deleted', async () => {
    const { retention, verification, audit, clock, numbers } = await agedLog([500, 450, 401, 399, 1]);
    const now = clock.now();
    expect(await retention.find(now, 100)).toMatchObject({
      count: 3,
      isMore: false,
      oldestAt: now - 500 * DAY_MS,
    });
    expect(numbers()).toHaveLength(5);
    expect(await retention.removeSome(now)).toMatchObject({ count: 3, isMore: false });
    expect(numbers()).toEqual([4, 5, 6]);
    expect(await verification.verify()).toMatchObject({
      intact: true,
      rows: 3,
      from: 4,
      checkpoint: { number: 3, firstAt: now - 500 * DAY_MS, lastAt: now - 401 * DAY_MS, signedAt: now },
    });
    const [recorded] = await audit.list({ action: 'audit.rows_removed' });
    expect(recorded).toMatchObject({ number: 6, actor: 'hub', details: { from: 1, to: 3 } });
  });

  it('continues where it stopped, pass after pass, and keeps the last row', async () => {
    const max = limits.auditRowsRemovedPerPassMax;
    const { retention, verification, clock, numbers } = await agedLog(Array(2 * max + 3).fill(500));
    expect(await retention.find(clock.now(), 10_000)).toMatchObject({ count: 2 * max + 2, isMore: false });
    expect(await retention.removeSome(clock.now())).toMatchObject({ count: max, isMore: true });
    expect(await retention.removeSome(clock.now())).toMatchObject({ count: max, isMore: true });
    // The rest is little, and each removal adds a row: it waits for a day.
    expect(await retention.removeSome(clock.now())).toMatchObject({ count: 0, isMore: false });
    clock.advance(DAY_MS);
    expect(await retention.removeSome(clock.now())).toMatchObject({ count: 3, isMore: false });
    expect(numbers()).toEqual([2 * max + 4, 2 * max + 5, 2 * max + 6]);
    expect(await verification.verify()).toMatchObject({ intact: true, rows: 3, from: 2 * max + 4 });
  });

  it('goes by the order of rows where a clock was ahead or behind', async () => {
    const { retention, clock, numbers } = await agedLog([500, -9_000, 499, 300, 19_000, 500, 2]);
    expect(await retention.removeSome(clock.now())).toMatchObject({ count: 3 });
    expect(numbers()).toEqual([4, 5, 6, 7, 8]);
  });

  it('deletes rows that a clock far ahead has dated, however many, once those after them are old', async () => {
    const ahead = Array.from({ length: limits.auditRowsRemovedPerPassMax + 1 }, () => -9_000);
    const { retention, clock, numbers } = await agedLog([...ahead, 500, 300, 1]);
    const due = ahead.length + 1;
    expect(await retention.find(clock.now(), 10_000)).toMatchObject({ count: due });
    while ((await retention.removeSome(clock.now())).isMore);
    clock.advance(2 * DAY_MS);
    await retention.removeSome(clock.now());
    expect(numbers()[0]).toBe(due + 1);
    const young = await agedLog([...ahead, 300, 500, 1]);
    expect(await young.retention.removeSome(young.clock.now())).toMatchObject({ count: 0 });
  });

  it('does not delete rows whose chain is broken: they are the evidence', async () => {
    const { retention, verification, clock, intruder, numbers } = await agedLog([500, 500, 500, 1]);
    intruder.exec("update audit_event set actor = 'nobody' where number = 2");
    await expect(retention.removeSome(clock.now())).rejects.toMatchObject({ code: 'audit_broken' });
    expect(numbers()).toEqual([1, 2, 3, 4]);
    expect(await verification.verify()).toMatchObject({ intact: false, brokenAt: 2 });
  });

  it('is atomic: rows, checkpoint and the row that records it are committed together or not at all', async () => {
    const { database, audit, checkpoints, verification, clock, numbers } = await agedLog([500, 500, 1]);
    const failing = new AuditRetention({
      database,
      checkpoints,
      keptMs: KEPT_DAYS * DAY_MS,
      audit: {
        append: async (event, tx) => {
          await audit.append(event, tx);
          throw new Error('killed');
        },
      },
    });
    await expect(failing.removeSome(clock.now())).rejects.toThrow('killed');
    expect(numbers()).toEqual([1, 2, 3]);
    expect(await verification.verify()).toMatchObject({ intact: true, rows: 3, from: 1 });
  });

  it('deletes rows while the log is verified', async () => {
    const { retention, verification, clock } = await agedLog([...Array(2 * limits.pageRowsMax).fill(500), 1]);
    const verifying = verification.verify();
    for (let n = 0; n < 4; n += 1) await retention.removeSome(clock.now());
    expect(await verifying).toMatchObject({ intact: true });
    expect(await verification.verify()).toMatchObject({ intact: true, from: 2 * limits.pageRowsMax + 1 });
  });
});

describe('a checkpoint of the audit log', () => {
  /** Rows 1 to 3 removed and the rest chained again, as an attacker can who writes to the database and has no key. */
  function cutOff(intruder: BetterSqlite3.Database, after: string): void {
    intruder.exec('delete from audit_event where number <= 3');
    let previous = after;
    for (const row of intruder.prepare('select * from audit_event order by number').all() as never[]) {
      const { hash: _, ...unhashed } = { ...(row as UnhashedAuditRow & { hash: string }) };
      const fresh = { ...unhashed, previous_hash: previous };
      previous = auditRowHash(fresh);
      intruder
        .prepare('update audit_event set previous_hash = ?, hash = ? where number = ?')
        .run(fresh.previous_hash, previous, fresh.number);
    }
    const last = intruder.prepare('select max(number) as number from audit_event').get() as {
      number: number;
    };
    intruder.prepare("update meta set value = ? where key = 'audit_head'").run(`${last.number}:${previous}`);
  }

  it('cannot be made with the database and without the key', async () => {
    const { database, verification, intruder, clock } = await agedLog([5, 4, 3, 2, 1]);
    const hash = chainStart.hash;
    cutOff(intruder, hash);
    expect(await verification.verify()).toMatchObject({ intact: false, brokenAt: 1 });
    await database
      .transaction()
      .execute((tx) =>
        auditCheckpoints().write({ v: 1, number: 3, hash, firstAt: 1, lastAt: 2, signedAt: clock.now() }, tx),
      );
    expect(await verification.verify()).toMatchObject({
      intact: false,
      brokenAt: 1,
      reason: expect.stringContaining('not signed by this hub'),
    });
  });

  it.each([
    ['is removed', "delete from meta where key = 'audit_checkpoint'", 'row 1 is missing'],
    [
      'is moved on',
      `update meta set value = json_set(value, '$.payload',
        'eyJ2IjoxLCJudW1iZXIiOjQsImhhc2giOiJhYSIsImZpcnN0QXQiOjEsImxhc3RBdCI6Miwic2lnbmVkQXQiOjN9')
        where key = 'audit_checkpoint'`,
      'not signed by this hub',
    ],
    ['is rubbish', "update meta set value = '{' where key = 'audit_checkpoint'", 'not signed by this hub'],
  ])('that %s shows', async (_what, statement, reason) => {
    const { retention, verification, clock, intruder } = await agedLog([500, 500, 2, 1]);
    await retention.removeSome(clock.now());
    intruder.exec(statement);
    expect(await verification.verify()).toMatchObject({
      intact: false,
      reason: expect.stringContaining(reason),
    });
    await expect(retention.removeSome(clock.now() + 500 * DAY_MS)).rejects.toMatchObject({
      code: expect.stringMatching(/audit_broken|signature_invalid|bad_message/),
    });
  });

  it('reveals rows before it that were put back, and a row cut out after it', async () => {
    const { retention, verification, clock, intruder } = await agedLog([500, 500, 3, 2, 1]);
    const kept = intruder.prepare('select * from audit_event where number = 2').get() as Record<
      string,
      unknown
    >;
    await retention.removeSome(clock.now());
    const names = Object.keys(kept);
    intruder
      .prepare(`insert into audit_event (${names.join()}) values (${names.map(() => '?').join()})`)
      .run(...Object.values(kept));
    expect(await verification.verify()).toMatchObject({ intact: false, brokenAt: 3 });
    intruder.exec('delete from audit_event where number = 2');
    expect(await verification.verify()).toMatchObject({ intact: true, from: 3 });
    intruder.exec('delete from audit_event where number = 3');
    expect(await verification.verify()).toMatchObject({ intact: false, brokenAt: 3 });
  });

  it('is signed again by the key of a hub whose operator declares the old one lost, and the log records it', async () => {
    const { database, audit, retention, clock } = await agedLog([500, 500, 1]);
    await retention.removeSome(clock.now());
    const another = auditCheckpoints();
    const verification = new AuditVerification({ database, checkpoints: another });
    expect(await verification.verify()).toMatchObject({ intact: false });
    await another.signAgain(database, audit);
    expect(await verification.verify()).toMatchObject({ intact: true, from: 3, checkpoint: { number: 2 } });
    const [recorded] = await audit.list({ limit: 1 });
    expect(recorded).toMatchObject({ action: 'audit.checkpoint_signed_again', details: { number: 2 } });
  });
});
