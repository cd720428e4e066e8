/** Saved logins by name, and what wins over them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });

let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
});
afterAll(() => hub.stop());

async function loggedIn(): Promise<string> {
  const config = join(await tempFolder(), 'login.json');
  const login = { token: hub.adminToken, ca: hub.ca, name: 'prod' };
  const other = { token: 'mft_other', ca: hub.ca };
  const hubs = { [hub.url]: login, 'https://other.example:7443': other };
  await writeFile(config, JSON.stringify({ v: 1, current: hub.url, hubs }));
  return config;
}

async function sourcesOf(config: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const { stdout } = await runCli(config, ['whoami', '--json', ...args], { env });
  return (JSON.parse(stdout) as { sources: unknown }).sources;
}

describe('modelfleet context', () => {
  it('lists, uses and renames saved logins', async () => {
    const config = await loggedIn();
    const list = async () => (await runCli(config, ['context', 'list', '--no-headers'])).stdout;
    expect(await list()).toMatch(/^prod +https:\S+ +\*\nother\.example:7443 +https:\S+\n$/);
    await runCli(config, ['context', 'rename', 'https://other.example:7443', 'lab']);
    await runCli(config, ['context', 'use', 'lab']);
    expect(await list()).toMatch(/^lab +https:\/\/other\.example:7443 +\*$/m);
    const taken = await runCli(config, ['context', 'rename', 'lab', 'prod']);
    expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining('already has this name') });
  });

  it('names the logins there are when another one is wanted', async () => {
    const asked = await runCli(await loggedIn(), ['whoami', '--context', 'nowhere']);
    expect(asked).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Not logged in to nowhere; there are logins for prod, other/),
    });
  });

  it('says of a damaged file which one it is and what to do', async () => {
    const config = join(await tempFolder(), 'login.json');
    await writeFile(config, '{"v":1');
    const { code, stderr } = await runCli(config, ['whoami']);
    expect(code).toBe(1);
    expect(stderr).toContain(config);
    expect(stderr).toMatch(/code: login_file_damaged\n {2}fix: .*modelfleet login/);
  });
});

describe('an access', () => {
  it('takes each part from the environment where it says it, and from the saved login else', async () => {
    const config = await loggedIn();
    const saved = 'login "prod"';
    expect(await sourcesOf(config, [], {})).toEqual({ hub: 'current context', token: saved, ca: saved });
    expect(await sourcesOf(config, [], { MODELFLEET_TOKEN: hub.adminToken })).toEqual({
      hub: 'current context',
      token: 'MODELFLEET_TOKEN',
      ca: saved,
    });
    expect(await sourcesOf(config, ['--context', 'prod'], { MODELFLEET_HUB: 'https://x.example' })).toEqual({
      hub: '--context',
      token: saved,
      ca: saved,
    });
    expect(await sourcesOf(config, [], { MODELFLEET_HUB: hub.url })).toMatchObject({ hub: 'MODELFLEET_HUB' });
  });

  it('uses the token of the environment and not the saved one', async () => {
    const refused = await runCli(await loggedIn(), ['whoami'], { env: { MODELFLEET_TOKEN: 'mft_wrong' } });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('code: unauthorized') });
  });
});
