import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import canonicalize from 'canonicalize';
import { expect, it, onTestFinished, vi } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Rewrites one row and recomputes every hash after it, with the head in the database: a consistent chain. */
function rewrite(file: string): void {
  const database = new BetterSqlite3(file);
  let previous = '0'.repeat(64);
  const rows = database.prepare('select * from audit_event order by number').all() as Record<
    string,
    unknown
  >[];
  for (const { hash: _old, ...row } of rows) {
    const changed = {
      ...row,
      actor: row['number'] === 2 ? 'token:somebody-else' : row['actor'],
      previous_hash: previous,
    };
    previous = createHash('sha256')
      .update(canonicalize(changed) as string)
      .digest('hex');
    database
      .prepare('update audit_event set actor = ?, previous_hash = ?, hash = ? where number = ?')
      .run(changed.actor, changed.previous_hash, previous, row['number']);
  }
  database.prepare("update meta set value = ? where key = 'audit_head'").run(`${rows.length}:${previous}`);
  database.close();
}

it('a chain that was recomputed as a whole is detected: by the head beside the database, and by one kept elsewhere', async () => {
  const data = await tempFolder();
  const folder = await tempFolder();
  const headFile = join(folder, 'heads.jsonl');
  const hub = await RunningHub.start({ data, options: { auditHeadFile: headFile } });
  onTestFinished(() => hub.stop());
  for (const name of ['a', 'b']) await hub.client.post('/tokens', { name, role: 'viewer' });
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, hub.ca);
  const cli = (...args: readonly string[]) => {
    const env = { MODELFLEET_HUB: hub.url, MODELFLEET_TOKEN: hub.adminToken, MODELFLEET_CA_FILE: caFile };
    return runCli(join(folder, 'login.json'), args, { env });
  };
  const kept = join(folder, 'head.json');
  expect(await cli('audit', 'head', '--out', kept)).toMatchObject({ code: 0 });
  await hub.client.post('/tokens', { name: 'c', role: 'viewer' });
  expect(await cli('audit', 'verify', '--against', kept)).toMatchObject({ code: 0 });

  await hub.halt();
  const stored = await readFile(join(data, 'audit-head.json'), 'utf8');
  rewrite(join(data, 'hub.db'));
  await hub.restart();
  const beside = await cli('audit', 'verify');
  expect(beside).toMatchObject({ code: 1, stderr: expect.stringContaining('code: audit_broken') });
  expect(beside.stderr).toContain('it was rewritten');

  // An attacker who could delete the file too is detected by what the operator kept.
  await hub.halt();
  await writeFile(join(data, 'audit-head.json'), stored.replace(/"sig":"..../, '"sig":"AAAA'));
  await hub.restart();
  expect((await cli('audit', 'verify')).stderr).toContain('not signed by this hub');
  await rm(join(data, 'audit-head.json'));
  expect(await cli('audit', 'verify')).toMatchObject({ code: 0 });
  for (const file of [kept, headFile.replace('heads', 'first')]) {
    if (file !== kept) await writeFile(file, `${(await readFile(headFile, 'utf8')).split('\n')[0]}\n`);
    const against = await cli('audit', 'verify', '--against', file);
    expect(against).toMatchObject({ code: 1, stderr: expect.stringContaining('code: audit_broken') });
  }
  const { rows } = (await hub.client.get('/audit/verify')) as { rows: number };
  expect(await hub.client.get('/audit/verify', { number: rows + 50, hash: 'a'.repeat(64) })).toMatchObject({
    intact: false,
    reason: expect.stringContaining(`names row ${rows + 50}`),
  });
});

it('a head of another hub is refused before it is compared', async () => {
  const folder = await tempFolder();
  const [one, other] = [await RunningHub.start(), await RunningHub.start()];
  onTestFinished(async () => {
    await one.stop();
    await other.stop();
  });
  const file = join(folder, 'head.json');
  await writeFile(file, JSON.stringify(await other.client.get('/audit/head')));
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, one.ca);
  const env = { MODELFLEET_HUB: one.url, MODELFLEET_TOKEN: one.adminToken, MODELFLEET_CA_FILE: caFile };
  const refused = await runCli(join(folder, 'l.json'), ['audit', 'verify', '--against', file], { env });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('code: signature_invalid') });
});
