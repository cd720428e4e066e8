/** Progress of an upload over a slow line, on a pseudo-terminal made by `script` and in a pipe. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { packedFolder } from '../../support/model-hub.ts';
import { programEntry } from '../../support/programs.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { throttledLine } from '../../support/throttled-line.ts';

vi.setConfig({ testTimeout: 120_000 });

const hasTerminal = spawnSync('script', ['--version']).status === 0;
const BYTES = 4 * 1024 * 1024;

const CLEAR_LINE = '\r\u001b[K';
const passphrase = { MODELFLEET_PASSPHRASE: 'correct horse battery' };

let hub: RunningHub;
let home: string;
const keys = () => join(home, 'publisher-keys');

async function accessTo(url: string, folder: string) {
  const caFile = join(folder, 'access-ca.pem');
  await writeFile(caFile, hub.ca);
  return { MODELFLEET_HUB: url, MODELFLEET_TOKEN: hub.adminToken, MODELFLEET_CA_FILE: caFile };
}
beforeAll(async () => {
  hub = await RunningHub.start();
  home = await mkdtemp(join(tmpdir(), 'modelfleet-publisher-'));
  const env = { ...(await accessTo(hub.url, home)), ...passphrase };
  const made = await runCli(join(home, 'login.json'), ['trust', 'init', '--keys', keys()], { env });
  expect(made).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await hub.stop();
  await rm(home, { recursive: true, force: true });
});

/** Environment of a publisher whose line takes some seconds for an upload, over four connections. */
async function publisher() {
  const folder = await tempFolder();
  const line = await throttledLine(Number(new URL(hub.url).port), BYTES / 12, 'client');
  onTestFinished(() => line.close());
  const env = { ...(await accessTo(`https://localhost:${line.port}`, folder)), ...passphrase };
  const config = join(folder, 'login.json');
  return { config, env };
}

const publishArgs = async (version: string, release: number) => {
  const { folder } = await packedFolder({ version, release, bytes: BYTES });
  return ['models', 'publish', folder, '--key', join(keys(), 'publisher.pem')];
};

describe('the progress of an upload', () => {
  it.skipIf(!hasTerminal)('is one line on a terminal, with bytes, share and rate; none with -q', async () => {
    const { env } = await publisher();
    const onTerminal = async (args: readonly string[]) => {
      const line = [process.execPath, programEntry('cli/main'), ...args].map((arg) => `'${arg}'`).join(' ');
      const child = spawn('script', ['-qefc', line, '/dev/null'], { env: { ...process.env, ...env } });
      const [screen, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
      expect(code, screen).toBe(0);
      return screen;
    };
    const screen = await onTerminal(await publishArgs('1.0.0', 1));
    const parts = screen.split(CLEAR_LINE);
    const shown = parts.filter((part) =>
      /^Uploading: [\d.]+ \S+ of 4\S* MiB \(\d+ %\), [\d.]+ \S+\/s$/.test(part),
    );
    expect(shown.length).toBeGreaterThanOrEqual(3);
    expect(parts.at(-1)).toMatch(/^Published /);
    expect(await onTerminal([...(await publishArgs('1.1.0', 2)), '-q'])).not.toContain('Uploading');
  });

  it('moves no cursor in a pipe', async () => {
    const { config, env } = await publisher();
    const { code, stderr } = await runCli(config, await publishArgs('1.2.0', 3), { env });
    expect(code).toBe(0);
    expect(stderr).not.toContain('\r');
  });
});
