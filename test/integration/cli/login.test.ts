import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

// Every step is a process: slow when all cores are busy.
vi.setConfig({ testTimeout: 120_000 });

let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
});
afterAll(() => hub.stop());

const loginArgs = (token = hub.adminToken, fingerprint = hub.addresses.caSha256) => [
  'login',
  hub.url,
  '--token',
  token,
  '--ca-fingerprint',
  fingerprint,
];

describe('modelfleet login', () => {
  it('remembers hub, token and CA in a private file that the other commands use, until logout', async () => {
    const config = join(await tempFolder(), 'deep', 'login.json');
    expect(await runCli(config, loginArgs())).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('admin'),
    });
    expect((await stat(config)).mode & 0o777).toBe(0o600);
    expect(await runCli(config, ['whoami', '--json'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\{"name":"admin","role":"admin","hub":"https:/),
    });
    expect(await runCli(config, ['logout'])).toMatchObject({ code: 0 });
    const after = await runCli(config, ['whoami']);
    expect(after).toMatchObject({ code: 1, stderr: expect.stringContaining('code: not_logged_in') });
  });

  it('refuses a hub with another CA before the token is sent', async () => {
    const config = join(await tempFolder(), 'login.json');
    const requestsBefore = hub.logLines.length;
    const result = await runCli(config, loginArgs(hub.adminToken, 'cd'.repeat(32)));
    expect(result).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('code: ca_mismatch'),
    });
    expect(result.stderr).not.toContain(hub.adminToken);
    expect(hub.logLines.slice(requestsBefore).join('')).not.toContain('request answered');
    await expect(stat(config)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('saves nothing when the hub does not know the token', async () => {
    const config = join(await tempFolder(), 'login.json');
    expect(await runCli(config, loginArgs('mft_wrong'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code: unauthorized'),
    });
    await expect(stat(config)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('reads the token from standard input with "-"', async () => {
    const config = join(await tempFolder(), 'login.json');
    expect(await runCli(config, loginArgs('-'), { input: `${hub.adminToken}\n` })).toMatchObject({ code: 0 });
  });

  it('refuses a URL that is not https', async () => {
    const config = join(await tempFolder(), 'login.json');
    const args = ['login', 'http://localhost:1', '--token', 'x', '--ca-fingerprint', 'ab'.repeat(32)];
    expect(await runCli(config, args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('https://'),
    });
  });
});

describe('modelfleet audit verify', () => {
  it('ends with 1 and names the first broken row', async () => {
    const own = await RunningHub.start();
    onTestFinished(() => own.stop());
    const folder = await tempFolder();
    const caFile = join(folder, 'ca.pem');
    await writeFile(caFile, own.ca);
    const intruder = new BetterSqlite3(join(own.data, 'hub.db'));
    intruder.exec("update audit_event set actor = 'nobody' where number = 1");
    intruder.close();
    const env = { MODELFLEET_HUB: own.url, MODELFLEET_TOKEN: own.adminToken, MODELFLEET_CA_FILE: caFile };
    const result = await runCli(join(folder, 'login.json'), ['audit', 'verify'], { env });
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/row 1.*\n.*code: audit_broken/) });
  });
});

describe('modelfleet', () => {
  it('ends with 69 when the hub cannot be reached', async () => {
    const folder = await tempFolder();
    const caFile = join(folder, 'ca.pem');
    await writeFile(caFile, hub.ca);
    const env = { MODELFLEET_HUB: 'https://127.0.0.1:1', MODELFLEET_TOKEN: 'x', MODELFLEET_CA_FILE: caFile };
    expect(await runCli(join(folder, 'login.json'), ['whoami'], { env })).toMatchObject({
      code: 69,
      stderr: expect.stringContaining('code: hub_unreachable'),
    });
    expect(
      await runCli(join(folder, 'login.json'), ['whoami'], {
        env: { ...env, MODELFLEET_HUB: hub.url, MODELFLEET_TOKEN: hub.adminToken },
      }),
    ).toMatchObject({ code: 0 });
  });

  it('refuses a hub whose certificate another CA signed', async () => {
    const folder = await tempFolder();
    const other = await RunningHub.start();
    const caFile = join(folder, 'ca.pem');
    await writeFile(caFile, other.ca);
    await other.stop();
    const env = { MODELFLEET_HUB: hub.url, MODELFLEET_TOKEN: hub.adminToken, MODELFLEET_CA_FILE: caFile };
    expect(await runCli(join(folder, 'login.json'), ['whoami'], { env })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code: ca_mismatch'),
    });
  });

  it('ends with 2 on wrong usage, and with one JSON line on standard error when asked for JSON', async () => {
    const config = join(await tempFolder(), 'login.json');
    expect(await runCli(config, ['nonsense'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('nonsense'),
    });
    expect(await runCli(config, ['audit', 'list', '--nonsense'])).toMatchObject({ code: 2 });
    expect(await runCli(config, ['tokens', 'create'])).toMatchObject({ code: 2 });
    const refused = await runCli(config, ['whoami', '--json']);
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: 'not_logged_in' } });
  });

  it('manages tokens and shows the audit log', async () => {
    const config = join(await tempFolder(), 'login.json');
    await runCli(config, loginArgs());
    const made = await runCli(config, ['tokens', 'create', 'ci', '--role', 'viewer', '--ttl', '1h']);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^mft_\S+\n$/) });
    expect((await runCli(config, ['tokens', 'list'])).stdout).toMatch(/^ci +viewer +valid/m);
    expect(await runCli(config, ['tokens', 'revoke', 'ci', '--yes'])).toMatchObject({ code: 0 });
    expect((await runCli(config, ['audit', 'list', '--target', 'token/ci'])).stdout).toMatch(
      /token:admin.*token\.revoked.*\n.*token\.created/,
    );
    expect(await runCli(config, ['audit', 'verify'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('whole'),
    });
  });
});
