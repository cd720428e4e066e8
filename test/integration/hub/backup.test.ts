import { execFileSync } from 'node:child_process';
import { appendFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { makeBackup } from '../../../hub/backup/make-backup.ts';
import { checkBackup, restoreBackup } from '../../../hub/backup/restore-backup.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });
const nowMs = Date.parse('2021-05-01T00:00:00Z');
const codeOf = (code: string, text = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

/** A hub that runs, and the backup of it in a new folder. */
async function runningHub() {
  const hub = await RunningHub.start();
  onTestFinished(() => hub.stop());
  const root = await tempFolder();
  const to = join(root, 'backup');
  return { hub, root, to, back: () => makeBackup({ data: hub.data, to, program: '1.2.3', nowMs }) };
}

async function restoreTo(data: string, backup: string): Promise<void> {
  await restoreBackup(await checkBackup(backup), { data, nowMs });
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe('a backup beside a running hub', () => {
  it('is a complete hub, of one instant, while tokens are made all the time', async () => {
    const { hub, root, to, back } = await runningHub();
    let made = 0;
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        await hub.client.post('/tokens', { name: `t-${made}`, role: 'viewer' });
        made += 1;
      }
    })();
    await expect.poll(() => made, { timeout: 60_000 }).toBeGreaterThan(3);
    const before = made;
    const backup = await back();
    isOver = true;
    await writing;
    expect(backup).toMatchObject({ folder: to, at: '2021-05-01T00:00:00.000Z', missing: [] });
    await hub.client.post('/tokens', { name: 'after-the-backup', role: 'viewer' });

    const data = join(root, 'restored');
    await restoreTo(data, to);
    const restored = await RunningHub.start({ data });
    onTestFinished(() => restored.stop());
    expect(restored.addresses.caSha256).toBe(hub.addresses.caSha256);
    const client = restored.clientOf(hub.adminToken);
    const { tokens } = (await client.get('/tokens?limit=1000')) as { tokens: { name: string }[] };
    const names = tokens.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(Array.from({ length: before }, (_, i) => `t-${i}`)));
    expect(names).not.toContain('after-the-backup');
    expect(await client.get('/audit/verify')).toMatchObject({ intact: true });
    expect(await client.get('/audit?action=hub.caught_up')).toMatchObject({
      events: [{ details: { backupAt: '2021-05-01T00:00:00.000Z' } }],
    });
    // Once: the next start is like any other.
    await restored.restart();
    const again = (await restored.clientOf(hub.adminToken).get('/audit?action=hub.caught_up')) as {
      events: object[];
    };
    expect(again.events).toHaveLength(1);
  });

  it('is checked by sha256sum, and only its owner reads it', async () => {
    const { hub, to, back } = await runningHub();
    await back();
    execFileSync('sha256sum', ['--quiet', '--strict', '-c', 'SHA256SUMS'], { cwd: to });
    const listed = (await readFile(join(to, 'SHA256SUMS'), 'utf8')).split('\n').map((line) => line.slice(66));
    expect(listed).toEqual(
      expect.arrayContaining([
        ...['hub.db', 'pki/ca.pem', 'pki/server.pem', 'backup.json'],
        ...['keys/snapshot.pem', 'keys/timestamp.pem', 'keys/director.pem'],
      ]),
    );
    expect(listed.some((path) => path.startsWith('lock'))).toBe(false);
    for (const file of await filesBelow(to)) expect((await stat(file)).mode & 0o777, file).toBe(0o600);
    expect((await stat(to)).mode & 0o777).toBe(0o700);
    expect(await hub.client.get('/tokens')).toBeDefined();
  });

  it('names the chunks of a version that the hub no longer has intact, and keeps the rest', async () => {
    const { hub, to, back } = await runningHub();
    await hub.halt();
    const database = new BetterSqlite3(join(hub.data, 'hub.db'));
    const chunk = 'a'.repeat(64);
    database.prepare('insert into version_chunk values (?, ?)').run('b'.repeat(64), chunk);
    database.close();
    expect((await back()).missing).toEqual([chunk]);
    await expect(checkBackup(to)).resolves.toMatchObject({ note: { program: '1.2.3' } });
  });

  it('is not written into a folder with something in it', async () => {
    const { hub } = await runningHub();
    const to = await tempFolder();
    await writeFile(join(to, 'mine'), '');
    await expect(makeBackup({ data: hub.data, to, program: '1', nowMs })).rejects.toEqual(
      codeOf('data_folder_not_empty'),
    );
    expect(await readdir(to)).toEqual(['mine']);
  });

  it('is not written into the data folder, nor made of a folder of anything but a hub', async () => {
    const { hub, to } = await runningHub();
    const inside = join(hub.data, 'backup');
    await expect(makeBackup({ data: hub.data, to: inside, program: '1', nowMs })).rejects.toEqual(
      codeOf('bad_input', 'inside the data folder'),
    );
    await expect(makeBackup({ data: join(to, 'nothing'), to, program: '1', nowMs })).rejects.toEqual(
      codeOf('bad_input', 'not the data folder of a hub'),
    );
  });
});

describe('restoring', () => {
  it.each([
    ['a changed file', (to: string) => appendFile(join(to, 'hub.db'), 'x'), 'hub.db'],
    ['a missing key', (to: string) => rm(join(to, 'keys', 'director.pem')), 'keys/director.pem'],
    ['no listing', (to: string) => rm(join(to, 'SHA256SUMS')), 'the backup was interrupted'],
    [
      'a listing that leads out of the folder',
      (to: string) => appendFile(join(to, 'SHA256SUMS'), `${'0'.repeat(64)}  ../../etc/passwd\n`),
      'does not contain a digest and a file name',
    ],
    ['a listing without the database', (to: string) => writeFile(join(to, 'SHA256SUMS'), ''), 'hub.db'],
  ])('refuses a backup with %s, and writes nothing', async (_name, harm, text) => {
    const { root, to, back } = await runningHub();
    await back();
    await harm(to);
    const data = join(root, 'restored');
    await expect(restoreTo(data, to)).rejects.toEqual(codeOf('backup_damaged', text));
    await expect(readdir(data)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('leaves a folder alone that has something in it, and one that a hub runs on', async () => {
    const { hub, to, back } = await runningHub();
    await back();
    const database = await readFile(join(hub.data, 'pki', 'ca.pem'));
    await expect(restoreTo(hub.data, to)).rejects.toEqual(codeOf('data_folder_not_empty'));
    expect(await readFile(join(hub.data, 'pki', 'ca.pem'))).toEqual(database);
  });

  it('that was interrupted: no hub starts on the folder, and the same restore goes through', async () => {
    const { hub, root, to, back } = await runningHub();
    await back();
    const data = join(root, 'restored');
    await restoreTo(data, to);
    // As a restore leaves it that was killed before its last file.
    await writeFile(join(data, 'restoring'), 'from somewhere\n');
    await rm(join(data, 'hub.db'));
    await expect(RunningHub.start({ data })).rejects.toEqual(codeOf('restore_unfinished'));
    expect(await readdir(data)).not.toContain('hub.db');
    await restoreTo(data, to);
    const restored = await RunningHub.start({ data });
    onTestFinished(() => restored.stop());
    expect(restored.addresses.caSha256).toBe(hub.addresses.caSha256);
  });
});
