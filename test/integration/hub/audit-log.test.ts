import { createHash } from 'node:crypto';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import canonicalize from 'canonicalize';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AuditEvent } from '../../../hub/audit/audit-event.ts';
import { AuditLog } from '../../../hub/audit/audit-log.ts';
import { AuditVerification } from '../../../hub/audit/audit-verification.ts';
import { openDatabase } from '../../../hub/db/database.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import type { AuditAction } from '../../../shared/api/audit.ts';
import { limits } from '../../../shared/base/limits.ts';
import { auditCheckpoints } from '../../support/audit-checkpoints.ts';
import { countTurns } from '../../support/loop-turns.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** A log of three rows, and a second connection to tamper with it. */
async function filledLog() {
  const file = join(await tempFolder(), 'hub.db');
  const database = await openDatabase(file);
  const audit = new AuditLog({ database, clock: systemClock });
  for (const target of ['device/a', 'device/b', 'device/c']) {
    await audit.append({ actor: 'token:admin', action: 'device.enrolled', target, details: { z: 1, a: 2 } });
  }
  const verification = new AuditVerification({ database, checkpoints: auditCheckpoints() });
  const intruder = new BetterSqlite3(file);
  onTestFinished(async () => {
    intruder.close();
    await database.destroy();
  });
  return { database, audit, verification, intruder };
}

describe('AuditLog', () => {
  it('verifies an untouched log, and an empty one', async () => {
    const { verification } = await filledLog();
    expect(await verification.verify()).toMatchObject({ intact: true, rows: 3 });
    const database = await openDatabase(':memory:');
    const empty = new AuditVerification({ database, checkpoints: auditCheckpoints() });
    expect(await empty.verify()).toMatchObject({ intact: true, rows: 0 });
    await database.destroy();
  });

  it.each([
    ['an edited target', "update audit_event set target = 'device/x' where number = 2", 2, 'changed'],
    ['an edited time', 'update audit_event set at = at + 1 where number = 1', 1, 'changed'],
    ['an edited detail', `update audit_event set details = '{}' where number = 3`, 3, 'changed'],
    ['a removed row', 'delete from audit_event where number = 2', 2, 'missing'],
    ['a removed first row', 'delete from audit_event where number = 1', 1, 'missing'],
    ['a cut-off tail', 'delete from audit_event where number = 3', 3, 'kept head is row 3'],
    ['an emptied log', 'delete from audit_event', 1, 'kept head is row 3'],
    ['a lost head', "delete from meta where key = 'audit_head'", 4, 'kept head is missing'],
    [
      'a forged row at the end',
      `insert into audit_event select 4, at, actor, address, action, target, details, hash, '${'0'.repeat(64)}' from audit_event where number = 3`,
      4,
      'changed',
    ],
  ])('finds %s and names the first broken row', async (_what, statement, brokenAt, reason) => {
    const { verification, intruder } = await filledLog();
    intruder.exec(statement);
    expect(await verification.verify()).toMatchObject({
      intact: false,
      brokenAt,
      reason: expect.stringContaining(reason),
    });
  });

  it('finds an edited row whose own hash was made to fit: the row after it does not follow any more', async () => {
    const { verification, intruder } = await filledLog();
    const row = intruder.prepare('select * from audit_event where number = 2').get() as Record<
      string,
      unknown
    >;
    const { hash: _old, ...edited }: Record<string, unknown> = { ...row, actor: 'token:somebody-else' };
    const hash = createHash('sha256').update(canonicalize(edited)!).digest('hex');
    intruder.prepare('update audit_event set actor = ?, hash = ? where number = 2').run(edited.actor, hash);
    expect(await verification.verify()).toMatchObject({
      intact: false,
      brokenAt: 3,
      reason: expect.stringContaining('does not follow'),
    });
  });

  it('keeps one chain when many append at once, in transactions of their own or of the caller', async () => {
    const { database, audit, verification } = await filledLog();
    await Promise.all(
      Array.from({ length: 40 }, (_, index) => {
        const event: AuditEvent = { actor: 'hub', action: 'hub.reloaded', target: `test/${index}` };
        return index % 2 === 0
          ? audit.append(event)
          : database.transaction().execute((tx) => audit.append(event, tx));
      }),
    );
    expect(await verification.verify()).toMatchObject({ intact: true, rows: 43 });
  });

  it('yields to others while it verifies a long log', async () => {
    const { audit, database, verification } = await filledLog();
    await database.transaction().execute(async (tx) => {
      for (let n = 0; n < 3 * limits.pageRowsMax; n += 1) {
        await audit.append({ actor: 'hub', action: 'rollout.judged', target: `rollout/${n}` }, tx);
      }
    });
    expect(await countTurns(() => verification.verify())).toBeGreaterThanOrEqual(3);
  });

  it('records an action whatever text it contains: invalid text is shown as U+FFFD', async () => {
    const { audit, verification } = await filledLog();
    const half = '\ud83d';
    const details = { text: `cut off ${half}`, list: [{ [half]: '\0' }] };
    await audit.append({
      actor: 'token:admin',
      action: 'version.withdrawn',
      target: `model/${half}`,
      details,
    });
    expect(await audit.list({ action: 'version.withdrawn' })).toMatchObject([
      { target: 'model/\ufffd', details: { text: 'cut off \ufffd', list: [{ '\ufffd': '\0' }] } },
    ]);
    expect(await verification.verify()).toMatchObject({ intact: true, rows: 4 });
  });

  it('drops the event of a transaction that failed', async () => {
    const { database, audit, verification } = await filledLog();
    const failing = database.transaction().execute(async (tx) => {
      await audit.append({ actor: 'hub', action: 'hub.reloaded', target: 'test/1' }, tx);
      throw new Error('act failed');
    });
    await expect(failing).rejects.toThrow('act failed');
    expect(await verification.verify()).toMatchObject({ intact: true, rows: 3 });
  });

  it('lists newest first, by filter, page after page', async () => {
    const { audit } = await filledLog();
    await audit.append({ actor: 'hub', action: 'device_x.other' as AuditAction, target: 'device/a' });
    expect((await audit.list({ limit: 2 })).map((row) => row.number)).toEqual([4, 3]);
    expect((await audit.list({ before: 3 })).map((row) => row.number)).toEqual([2, 1]);
    expect((await audit.list({ target: 'device/a' })).map((row) => row.number)).toEqual([4, 1]);
    expect((await audit.list({ action: 'device' })).map((row) => row.number)).toEqual([3, 2, 1]);
    expect((await audit.list({ action: 'device.enrolled', actor: 'hub' })).length).toBe(0);
  });
});
