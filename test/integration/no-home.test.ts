/** A user without a home: HOME is not set, and the user id is in no list of users, as in a container. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, vi } from 'vitest';
import { runCli } from '../support/cli.ts';

import { tempFolder } from '../support/temp-folder.ts';

vi.setConfig({ testTimeout: 60_000 });

const UNKNOWN_UID = 54_321;
const node = process.execPath;
/** Of the checkout: the installation that tests share is in a folder of the user who runs them. */
const start = join(import.meta.dirname, '../../bin/start.js');

async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(node, [start, program, ...args], { uid: UNKNOWN_UID, env });
  child.stdin.end();
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code: code as number, stdout, stderr };
}

/** Only the superuser may start a process as somebody else, who must be able to read the programs. */
function canBecomeUnknown(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync(node, ['-e', `require('fs').readFileSync(${JSON.stringify(start)})`], {
      uid: UNKNOWN_UID,
      env: {},
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!canBecomeUnknown())('a user without a home', () => {
  it.each(['cli/main', 'hub/main', 'agent/main'])(
    'is answered by %s --version and --help',
    async (program) => {
      expect(await run(program, ['--version'])).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^\d+\.\d+\.\d+/),
        stderr: '',
      });
      expect(await run(program, ['--help'])).toMatchObject({ code: 0, stderr: '' });
    },
  );

  it('is told how to name the saved logins, without a stack', async () => {
    const refused = await run('cli/main', ['whoami']);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/HOME is not set.*MODELFLEET_CONFIG\.\n {2}code: file_unusable\n/);
    expect(refused.stderr).not.toMatch(/^\s+at /m);
  });

  it('is told that the agent’s folder cannot be used, without a stack', async () => {
    const refused = await run('agent/main', ['status', '--data', '/nowhere/at/all']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('code: not_enrolled');
    expect(refused.stderr).not.toMatch(/^\s+at /m);
  });

  it('is told which login file cannot be written or read', async () => {
    const folder = await tempFolder();
    await chmod(folder, 0o755);
    const file = join(folder, 'login.json');
    await writeFile(file, '{"v":1,"hubs":{}}', { mode: 0o600 });
    const unreadable = await run('cli/main', ['whoami'], { MODELFLEET_CONFIG: file });
    expect(unreadable).toMatchObject({ code: 1, stderr: expect.stringContaining(file) });
    expect(unreadable.stderr).toContain('code: file_unusable');
    const unwritable = await run('cli/main', ['logout', '--all', '--yes'], {
      MODELFLEET_CONFIG: join(folder, 'other', 'login.json'),
    });
    expect(unwritable).toMatchObject({ code: 1, stderr: expect.stringContaining('other') });
    expect(unwritable.stderr).toMatch(/MODELFLEET_CONFIG names another file\.\n {2}code: file_unusable\n/);
    expect(unwritable.stderr).not.toMatch(/^\s+at /m);
  });
});

it('a HOME that is no folder is named when a login is to be saved', async () => {
  const folder = await tempFolder();
  await mkdir(join(folder, 'x'));
  const home = join(folder, 'home');
  await writeFile(home, '');
  const env = { HOME: home, MODELFLEET_CONFIG: '', XDG_CONFIG_HOME: '' };
  const refused = await runCli('', ['logout', '--all', '--yes'], { env });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(home) });
  expect(refused.stderr).toMatch(/code: file_unusable/);
});
