/** A hub started on an incomplete data folder: a restore that left something out, a file lost, a file of another hub. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { enrol } from '../../../../agent/connection/enrolment.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { StockedHub, stock } from '../../../support/stocked-hub.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let original: StockedHub;
/** Another hub's folder. */
let other: StockedHub;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-inventory-'));
  original = await StockedHub.make(join(folder, 'original'));
  other = await StockedHub.make(join(folder, 'other'));
  return () => rm(folder, { recursive: true });
});

const incomplete = (...texts: string[]) =>
  expect.objectContaining({
    code: 'data_folder_incomplete',
    message: expect.stringMatching(new RegExp(texts.map((text) => text.replaceAll('.', '\\.')).join('.*'))),
  });

async function list(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => !/^lock/.test(name) && !/^hub\.db-/.test(name)).sort();
}

async function chunks(data: string): Promise<string[]> {
  const entries = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

const keyFiles = ['pki/ca.pem', 'keys/snapshot.pem', 'keys/timestamp.pem', 'keys/director.pem'];

describe.each([...keyFiles, 'hub.db'])('a data folder whose %s', (path) => {
  it('is missing is named, and nothing is made in its place', async () => {
    const hub = await original.copy();
    await rm(join(hub.data, path));
    const before = await list(hub.data);
    await expect(hub.start()).rejects.toEqual(incomplete(hub.data, `"${path}" is missing`));
    expect(await list(hub.data)).toEqual(before);
    // A service is started again and again.
    await expect(hub.start()).rejects.toEqual(incomplete(`"${path}" is missing`));
  });

  it('is empty is named', async () => {
    const hub = await original.copy();
    await truncate(join(hub.data, path));
    await expect(hub.start()).rejects.toEqual(incomplete(`"${path}" is empty`));
  });

  it('is of another hub is named', async () => {
    const hub = await original.copy();
    await cp(join(other.data, path), join(hub.data, path));
    const named = path === 'hub.db' ? keyFiles : [path];
    if (path === 'hub.db') await cp(join(other.data, 'blobs'), join(hub.data, 'blobs'), { recursive: true });
    await expect(hub.start()).rejects.toEqual(
      incomplete(...named.map((one) => `"${one}" and "hub.db" belong to different hubs`)),
    );
  });
});

describe('a data folder', () => {
  it('that lacks several things has all of them named at once', async () => {
    const hub = await original.copy();
    for (const path of ['pki', 'keys', 'blobs']) await rm(join(hub.data, path), { recursive: true });
    await expect(hub.start()).rejects.toEqual(
      incomplete(
        ...keyFiles.map((path) => `"${path}" is missing`),
        '"blobs/" lacks \\d+ of the chunks of air 1.0.0',
      ),
    );
  });

  it('with a database that nothing was ever written to does not start', async () => {
    const hub = await original.copy();
    await rm(join(hub.data, 'hub.db'));
    const fresh = await RunningHub.start({ data: join(await tempFolder(), 'fresh') });
    await fresh.stop();
    await cp(join(fresh.data, 'hub.db'), join(hub.data, 'hub.db'));
    const file = new BetterSqlite3(join(hub.data, 'hub.db'));
    file.exec('delete from api_token; delete from inventory');
    file.close();
    await expect(hub.start()).rejects.toEqual(incomplete('"hub.db" does not contain the data of a hub'));
  });

  it.each([
    ['another program', 'create table notes (text)', 'data_folder_incomplete'],
    ['another program with a table of that name', 'create table meta (a)', 'data_folder_incomplete'],
  ])('with a database of %s does not start and leaves it alone', async (_what, made, code) => {
    const hub = await original.copy();
    await rm(join(hub.data, 'hub.db'));
    const file = new BetterSqlite3(join(hub.data, 'hub.db'));
    file.exec(made);
    await expect(hub.start()).rejects.toMatchObject({
      code,
      message: expect.stringContaining('another program'),
    });
    expect(file.prepare('select count(*) as tables from sqlite_master').get()).toEqual({ tables: 1 });
    file.close();
  });

  it('of a version before the inventory is adopted as it is, and refused with the CA of another hub', async () => {
    const hub = await original.copy();
    const file = new BetterSqlite3(join(hub.data, 'hub.db'));
    const certificate = await readFile(join(other.data, 'pki/server.pem'), 'utf8');
    file.exec('delete from inventory');
    const started = await hub.start();
    expect(await started.clientOf(hub.adminToken).get('/me')).toMatchObject({ name: 'admin' });
    await started.stop();
    file.exec('delete from inventory');
    file.exec(`insert into device values ('d', 'g', '', '', 0, '', 0, null, null, null, null)`);
    file.exec(`insert into join_token values ('t', 's', 'g', 0, 1, 0, 0, null, 'x')`);
    file
      .prepare(`insert into enrolment values ('d', 't', '', ?)`)
      .run(certificate.slice(certificate.indexOf('-----BEGIN CERTIFICATE')));
    file.close();
    await expect(hub.start()).rejects.toEqual(
      incomplete('"pki/ca.pem" and "hub.db" belong to different hubs'),
    );
  });
});

/** What a hub creates again. */
const madeAnew = ['audit-head.json', 'pki/server.pem', 'lock', 'lock.pid'];

describe('every file of a folder', () => {
  let lived: StockedHub;
  let files: string[];
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelfleet-inventory-'));
    lived = await original.copy(folder);
    const hub = await RunningHub.start({ data: lived.data });
    const client = hub.clientOf(lived.adminToken);
    const body = { group: 'default', uses: 1, ttlMs: 60_000 };
    const { token } = (await client.post('/join-tokens', body)) as { token: string };
    const facts = { agentVersion: '0', os: 't', arch: 't', cpus: 1, memoryBytes: 1, hostname: 't' };
    const device = { deviceId: 'sensor-1', folder: join(folder, 'agent') };
    await enrol({ token, ...device, facts: { ...facts, providers: ['cpu'] } });
    await hub.halt();
    const found = await readdir(lived.data, { recursive: true, withFileTypes: true });
    files = found
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => relative(lived.data, join(parentPath, name)));
    return () => rm(folder, { recursive: true });
  });

  it.each([
    ['missing', (path: string) => rm(path)],
    ['empty', (path: string) => truncate(path)],
  ])('is named when it is %s, and the hub does not start; or it is created again', async (what, damage) => {
    expect(files).toEqual(expect.arrayContaining([...keyFiles, 'hub.db']));
    const { manifestSha256 } = lived.packed;
    for (const path of files) {
      const hub = await lived.copy();
      await damage(join(hub.data, path));
      const starting = RunningHub.start({ data: hub.data }).then((started) => started.stop());
      const isPutBack = madeAnew.includes(path) || path.endsWith(`/${manifestSha256}`);
      const reason = path.startsWith('blobs/') ? '"blobs/" lacks 1 of the chunks' : `"${path}" is ${what}`;
      if (isPutBack) await expect(starting, path).resolves.toBeUndefined();
      else await expect(starting, path).rejects.toEqual(incomplete(reason));
    }
  });
});

describe('a first start', () => {
  it('works in a folder that has nothing of a hub, and leaves no mark', async () => {
    const data = join(await tempFolder(), 'new');
    await mkdir(join(data, 'lost+found'), { recursive: true });
    await mkdir(join(data, 'pki'));
    const hub = await RunningHub.start({ data });
    await hub.stop();
    expect(await readdir(data)).not.toContain('first-start');
    await (await RunningHub.start({ data })).stop();
  });

  it.each([
    ['with nothing made', []],
    ['with the database made', ['hub.db']],
    ['with a CA and no keys', ['hub.db', 'pki']],
    ['with all but the token', ['hub.db', 'pki', 'keys']],
  ])('that was killed %s goes on', async (_when, made) => {
    const whole = await RunningHub.start({ data: join(await tempFolder(), 'whole') });
    await whole.stop();
    const data = join(await tempFolder(), 'hub');
    await mkdir(data);
    await writeFile(join(data, 'first-start'), '');
    for (const name of made) await cp(join(whole.data, name), join(data, name), { recursive: true });
    if (made.includes('hub.db')) {
      const file = new BetterSqlite3(join(data, 'hub.db'));
      file.exec('delete from api_token; delete from inventory');
      file.close();
    }
    const hub = await RunningHub.start({ data });
    expect(hub.adminToken).toMatch(/^mft_/);
    await hub.stop();
    await rm(join(data, 'pki/ca.pem'));
    await expect(RunningHub.start({ data })).rejects.toEqual(incomplete('"pki/ca.pem" is missing'));
  });
});

describe('chunks of a version', () => {
  it('that are missing are counted by version, and the hub does not start', async () => {
    const hub = await original.copy();
    const files = await chunks(hub.data);
    for (const file of files) await rm(file);
    await expect(hub.start()).rejects.toEqual(incomplete(`"blobs/" lacks \\d+ of the chunks of air 1.0.0`));
  });

  it('do not matter once the version is withdrawn', async () => {
    const hub = await original.copy();
    for (const file of await chunks(hub.data)) await rm(file);
    const file = new BetterSqlite3(join(hub.data, 'hub.db'));
    file.exec(`update version set withdrawn_at = 1, withdrawn_reason = 'x'`);
    file.close();
    await hub.start();
  });

  it('are put back from the database when it is the manifest', async () => {
    const hub = await original.copy();
    const file = new BetterSqlite3(join(hub.data, 'hub.db'), { readonly: true });
    const { digest } = file.prepare('select manifest_sha256 as digest from version').get() as {
      digest: string;
    };
    file.close();
    await rm(join(hub.data, 'blobs', digest.slice(0, 2), digest));
    await hub.start();
    expect(await chunks(hub.data)).toContain(join(hub.data, 'blobs', digest.slice(0, 2), digest));
  });

  it('that were found damaged while the hub ran prevent no later start', async () => {
    const hub = await original.copy();
    const running = await hub.start();
    for (const path of await chunks(hub.data)) await writeFile(path, 'rotten');
    const next = { ...hub.packed.manifest, version: '1.0.1', release: 2 };
    const manifest = Buffer.from(JSON.stringify(next)).toString('base64');
    // Publishing reads every chunk.
    const publish = running
      .clientOf(hub.adminToken)
      .post('/models/air/versions', { manifest, metadata: 'AAAA' });
    await expect(publish).rejects.toMatchObject({ code: 'chunks_missing' });
    expect(running.logLines.join('')).toContain('a chunk on the disk is damaged');
    await running.stop();
    // The manifest was not read, and is not missing.
    expect(await chunks(hub.data)).toHaveLength(1);
    const again = await hub.start();
    expect(again.logLines.join('')).toContain('chunks are lost');
  });
});

describe('--accept-loss', () => {
  const accept = { startOptions: { acceptLoss: true } };

  it('starts without the chunks, records it in the audit log, and is not needed again', async () => {
    const hub = await original.copy();
    for (const file of await chunks(hub.data)) await rm(file);
    const first = await hub.start(accept);
    const client = first.clientOf(hub.adminToken);
    expect(await client.get('/audit', { action: 'loss' })).toMatchObject({
      events: [{ actor: 'hub', action: 'loss.accepted', details: { lacks: [{ path: 'blobs/' }] } }],
    });
    await first.stop();
    const second = await hub.start();
    expect(await second.clientOf(hub.adminToken).get('/audit', { action: 'loss' })).toMatchObject({
      events: [{ action: 'loss.accepted' }],
    });
    expect(second.logLines.join('')).toContain('chunks are lost');
    // Recovery: the version is uploaded again, although it is published.
    await expect(hub.publishAgain(second)).rejects.toMatchObject({ code: expect.any(String) });
    await second.stop();
    expect((await chunks(hub.data)).length).toBe((await chunks(original.data)).length);
    expect((await hub.start()).logLines.join('')).not.toContain('chunks are lost');
  });

  it('starts without a truncated chunk, and accepts it again', async () => {
    const hub = await original.copy();
    const chunk = (await chunks(hub.data)).find((path) => !path.endsWith(hub.packed.manifestSha256))!;
    const { size } = await stat(chunk);
    await truncate(chunk, size - 1);
    await expect(hub.start()).rejects.toEqual(incomplete('"blobs/" lacks 1 of the chunks of air 1.0.0'));
    const first = await hub.start(accept);
    await expect(hub.publishAgain(first)).rejects.toMatchObject({ code: expect.any(String) });
    await first.stop();
    expect((await stat(chunk)).size).toBe(size);
    expect((await hub.start()).logLines.join('')).not.toContain('chunks are lost');
  });

  it('makes a new CA where the old one is lost', async () => {
    const hub = await original.copy();
    await rm(join(hub.data, 'pki'), { recursive: true });
    const first = await hub.start(accept);
    const { caSha256 } = first.addresses;
    await first.stop();
    expect((await hub.start()).addresses.caSha256).toBe(caSha256);
  });

  it('starts on a new database where the old one is lost, with the CA that devices know', async () => {
    const hub = await original.copy();
    const { caSha256 } = (await (await other.copy()).start()).addresses;
    await rm(join(hub.data, 'hub.db'));
    const first = await hub.start(accept);
    expect(first.addresses.caSha256).not.toBe(caSha256);
    expect(first.adminToken).toMatch(/^mft_/);
    await first.stop();
    await hub.start();
  });

  it('does not help where the trust root names the key', async () => {
    for (const name of ['snapshot', 'timestamp', 'director']) {
      const hub = await original.copy();
      await rm(join(hub.data, `keys/${name}.pem`));
      await expect(hub.start(accept)).rejects.toMatchObject({
        code: 'key_unreadable',
        message: expect.stringContaining(`${name} key`),
      });
    }
  });

  it('changes nothing on an intact folder', async () => {
    const hub = await original.copy();
    const started = await hub.start(accept);
    expect(await started.clientOf(hub.adminToken).get('/audit', { action: 'loss' })).toEqual({ events: [] });
    onTestFinished(() => started.stop());
    expect(await started.clientOf(hub.adminToken).get(`/models/${stock.model}`)).toMatchObject({
      versions: [{ version: stock.version }],
    });
  });
});
