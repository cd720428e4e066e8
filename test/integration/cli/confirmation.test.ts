/** Questions before what cannot be undone, on a pseudo-terminal made by `script`. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { programEntry } from '../../support/programs.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });

const hasTerminal = spawnSync('script', ['--version']).status === 0;

let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
});
afterAll(() => hub.stop());

async function accessOf(folder: string): Promise<NodeJS.ProcessEnv> {
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, hub.ca);
  return { MODELFLEET_HUB: hub.url, MODELFLEET_TOKEN: hub.adminToken, MODELFLEET_CA_FILE: caFile };
}

/** Types `answer` once the question is there. */
async function onTerminal(args: readonly string[], env: NodeJS.ProcessEnv, answer: string) {
  const line = [process.execPath, programEntry('cli/main'), ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qefc', line, '/dev/null'], { env: { ...process.env, ...env } });
  let screen = '';
  let isAnswered = false;
  child.stdout.on('data', (bytes: Buffer) => {
    screen += bytes.toString();
    if (isAnswered || !screen.includes('Type yes:')) return;
    isAnswered = true;
    child.stdin.write(answer);
  });
  const [code] = await once(child, 'close');
  return { code, screen };
}

async function withToken(name: string) {
  const folder = await tempFolder();
  const config = join(folder, 'login.json');
  const env = { ...(await accessOf(folder)), MODELFLEET_CONFIG: config };
  await runCli(config, ['tokens', 'create', name, '--role', 'viewer'], { env });
  const isValid = async () =>
    new RegExp(`^${name} +viewer +valid`, 'm').test(
      (await runCli(config, ['tokens', 'list'], { env })).stdout,
    );
  return { config, env, isValid };
}

describe('an action that cannot be undone', () => {
  it.skipIf(!hasTerminal)('is done after "yes" on a terminal, which shows first what it does', async () => {
    const { env, isValid } = await withToken('t-yes');
    const { code, screen } = await onTerminal(['tokens', 'revoke', 't-yes'], env, 'yes\r');
    expect(screen).toMatch(/refused from then on.*\s+.*Really revoke token "t-yes"\?/);
    expect({ code, isValid: await isValid() }).toEqual({ code: 0, isValid: false });
  });

  it.skipIf(!hasTerminal).each([
    ['"no"', 'no\r', 't-no'],
    ['an empty line', '\r', 't-empty'],
    ['the end of input', '\u0004', 't-end'],
    ['Ctrl-C', '\u0003', 't-stop'],
  ])('is not done after %s', async (_, answer, name) => {
    const { env, isValid } = await withToken(name);
    const { code, screen } = await onTerminal(['tokens', 'revoke', name], env, answer);
    expect(screen).toContain('code: not_confirmed');
    expect({ code, isValid: await isValid() }).toEqual({ code: 1, isValid: true });
  });

  it('needs --yes without a terminal, and exits with 2', async () => {
    const { config, env, isValid } = await withToken('t-pipe');
    const refused = await runCli(config, ['tokens', 'revoke', 't-pipe'], { env, input: 'yes\n' });
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('code: confirmation_required'),
    });
    expect(await isValid()).toBe(true);
    expect(await runCli(config, ['tokens', 'revoke', 't-pipe', '--yes'], { env })).toMatchObject({ code: 0 });
    expect(await isValid()).toBe(false);
  });
});
