import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readRestoreRecord, writeRestoreRecord } from '../../../hub/backup/restore-record.ts';
import { openDatabase } from '../../../hub/db/database.ts';
import { DesiredStore } from '../../../hub/rollout/desired-store.ts';
import { runCli } from '../../support/cli.ts';
import { programEntry } from '../../support/programs.ts';
import { tempFolder } from '../../support/temp-folder.ts';

// Every step is a process: slow when all cores are busy.
vi.setConfig({ testTimeout: 120_000 });

const main = programEntry('hub/main');

function startProcess(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** A process that is expected to end by itself. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = startProcess(args, env);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, code };
}

const ports = ['--http-port', '0', '--mqtt-port', '0'];

async function startHub(data: string, args: readonly string[] = ['--json']) {
  const child = startProcess(['--data', data, ...ports, ...args]);
  let stdout = '';
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  const stderr = text(child.stderr!);
  await expect.poll(() => stdout, { timeout: 60_000 }).toContain('\n');
  return { child, stdout: () => stdout, stderr };
}

const adminToken = async (data: string) => (await readFile(join(data, 'admin-token'), 'utf8')).trim();

describe('modelfleet-hub as a process', () => {
  it('prints one JSON line, stops on SIGTERM with 0, starts again at once after kill -9', async () => {
    const data = await tempFolder();
    const first = await startHub(data);
    const line = JSON.parse(first.stdout());
    expect(line).toMatchObject({
      url: expect.stringMatching(/^https:\/\/localhost:\d+$/),
      caSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      adminTokenFile: join(data, 'admin-token'),
    });
    const second = await run(['--data', data, ...ports]);
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toContain('code: data_folder_locked');
    expect(second.stderr).toContain(String(first.child.pid));

    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const third = await startHub(data);
    expect(JSON.parse(third.stdout())).toMatchObject({ caSha256: line.caSha256 });
    expect(third.stdout()).not.toContain('adminToken');
    expect(first.stdout()).not.toContain('mft_');
    third.child.kill('SIGTERM');
    expect(await once(third.child, 'exit')).toEqual([0, null]);
    expect(await first.stderr).not.toContain(await adminToken(data));
  });

  it('compacts its database while no hub runs, and at no other time', async () => {
    const data = await tempFolder();
    const compact = ['compact', '--data', data];
    expect((await run(compact)).stderr).toContain('code: bad_input');
    const hub = await startHub(data);
    expect((await run(compact)).stderr).toContain('code: data_folder_locked');
    hub.child.kill('SIGTERM');
    await once(hub.child, 'exit');
    const { code, stdout } = await run(['--json', ...compact]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ file: join(data, 'hub.db'), bytes: expect.any(Number) });
  });

  it('catches up when told to, and does not by a clock that is before the backup it was restored from', async () => {
    const data = await tempFolder();
    const stop = async ({ child }: Awaited<ReturnType<typeof startHub>>) => {
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([0, null]);
    };
    const sequenceBase = async () => {
      const database = await openDatabase(join(data, 'hub.db'));
      const base = await new DesiredStore(database).sequenceBase().finally(() => database.destroy());
      return base;
    };
    await stop(await startHub(data));
    expect(await sequenceBase()).toBe(0);
    const began = Math.floor(Date.now() / 1_000);
    await stop(await startHub(data, ['--json', '--catch-up']));
    const base = await sequenceBase();
    expect(base).toBeGreaterThanOrEqual(began);
    await stop(await startHub(data));
    expect(await sequenceBase()).toBe(base);

    const time = new Date(Date.now() + 3_600_000).toISOString();
    await writeRestoreRecord(data, { v: 1, backupAt: time, listing: 'a'.repeat(64), restoredAt: time });
    const refused = await run(['--data', data, ...ports]);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('code: restored_clock_behind');
    expect(await readRestoreRecord(data)).toMatchObject({ backupAt: time });
    await stop(await startHub(data, ['--json', '--catch-up']));
    expect(await readRestoreRecord(data)).toBeUndefined();
  });

  it('prints the login command for a person, and makes one more admin token when asked', async () => {
    const data = await tempFolder();
    const first = await startHub(data, []);
    expect(first.stdout()).toMatch(
      /modelfleet login https:\/\/localhost:\d+ --token-file \S+\/admin-token --ca-fingerprint [0-9a-f]{64}\n/,
    );
    const before = await adminToken(data);
    first.child.kill('SIGINT');
    expect(await once(first.child, 'exit')).toEqual([0, null]);
    const second = await startHub(data, ['--json', '--new-admin-token']);
    expect(JSON.parse(second.stdout()).adminTokenFile).toBe(join(data, 'admin-token'));
    expect(await adminToken(data)).not.toBe(before);
  });

  it('ends with 2 on wrong usage and says what is wanted', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('--http-port') });
    expect(await run(['--nonsense'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--nonsense'),
    });
    const port = await run(['--http-port', '70000']);
    expect(port).toMatchObject({ code: 2, stderr: expect.stringContaining('--http-port') });
    const variable = await run([], { MODELFLEET_HUB_MQTT_PORT: 'x' });
    expect(variable).toMatchObject({ code: 2, stderr: expect.stringContaining('MODELFLEET_HUB_MQTT_PORT') });
    const file = await run(['--config', main]);
    expect(file).toMatchObject({ code: 2, stderr: expect.stringContaining('bad_input') });
    expect(file.stderr).not.toMatch(/^\s+at /m);
  });

  it('keeps the first admin token in a private file alone, until it was used', async () => {
    const data = await tempFolder();
    const hub = await startHub(data);
    const token = await adminToken(data);
    expect((await stat(join(data, 'admin-token'))).mode & 0o777).toBe(0o600);
    hub.child.kill('SIGKILL');
    await once(hub.child, 'exit');
    expect((await readFile(join(data, 'hub.db'))).includes(token)).toBe(false);
    const again = await startHub(data);
    expect(await adminToken(data)).toBe(token);
    const { url, caSha256 } = JSON.parse(again.stdout());
    const tokenFile = join(data, 'admin-token');
    const config = join(await tempFolder(), 'login.json');
    const login = await runCli(config, [
      'login',
      url,
      '--token-file',
      tokenFile,
      '--ca-fingerprint',
      caSha256,
    ]);
    expect(login).toMatchObject({ code: 0, stderr: '' });
    await expect.poll(() => existsSync(tokenFile)).toBe(false);
    expect(await runCli(config, ['whoami'])).toMatchObject({ code: 0 });
  });

  it('warns of a low limit of open files', async () => {
    const data = await tempFolder();
    const start = async (limit: number) => {
      const command = `ulimit -n ${limit}; exec "$0" "$@"`;
      const child = spawn('sh', ['-c', command, process.execPath, main, '--data', data, ...ports, '--json']);
      onTestFinished(() => void child.kill('SIGKILL'));
      let log = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        log += chunk;
      });
      await expect.poll(() => log, { timeout: 60_000 }).toContain('hub started');
      child.kill('SIGTERM');
      await once(child, 'exit');
      return log;
    };
    expect(await start(1_024)).toContain('the limit of open files is low');
    expect(await start(8_192)).not.toContain('the limit of open files is low');
  });
});
