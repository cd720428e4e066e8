/** A value that a flag does not take is wrong usage in all three programs: exit code 2, before anything is asked or written. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, vi } from 'vitest';
import { programEntry } from '../../support/programs.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 60_000 });

async function run(program: string, args: readonly string[], folder: string) {
  const env = {
    ...process.env,
    MODELFLEET_CONFIG: join(folder, 'login.json'),
    // Nobody listens there: a command that got so far would end with 69.
    MODELFLEET_HUB: 'https://127.0.0.1:1',
    MODELFLEET_TOKEN: 'mft_x',
    MODELFLEET_JOIN_TOKEN: 'x',
  };
  const child = spawn(process.execPath, [programEntry(program), ...args], { env, cwd: folder });
  child.stdin.end();
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code: code as number, stdout, stderr };
}

const rollout = 'rollout create --model m --version 1.0.0';

describe('a bad value of a flag', () => {
  it.each([
    ['cli/main', 'devices list --limit x', '--limit "x"'],
    ['cli/main', 'audit list --limit 0', '--limit "0"'],
    ['cli/main', `${rollout} --phases x`, '--phases "x"'],
    ['cli/main', `${rollout} --phases 100% --soak x`, '--soak "x"'],
    ['cli/main', `${rollout} --phases 100% --start-at x`, '--start-at "x"'],
    ['cli/main', `${rollout} --phases 100% --trial-min-requests x`, '--trial-min-requests "x"'],
    ['cli/main', 'rollout status x', 'rollout "x"'],
    ['cli/main', 'tokens create ann --role x', '--role <ROLE>'],
    ['cli/main', 'tokens create ann --role viewer --ttl x', '--ttl "x"'],
    ['cli/main', 'devices token create --group g --ttl x', '--ttl "x"'],
    ['cli/main', 'devices token create --group g --uses x', '--uses "x"'],
    ['cli/main', 'drift show --model m --since x', '--since "x"'],
    ['cli/main', 'telemetry show --model m --since x', '--since "x"'],
    ['cli/main', 'login ftp://x', 'hub "ftp://x"'],
    ['cli/main', 'login https://127.0.0.1:1 --token x --ca-fingerprint x', 'fingerprint "x"'],
    ['cli/main', 'whoami --hub x', 'hub "x"'],
    ['cli/main', 'trust init --keys keys --model a/b', '--model'],
    ['cli/main', 'trust init --keys keys --root-keys x', '--root-keys "x"'],
    ['hub/main', '--http-port x', '--http-port "x"'],
    ['hub/main', 'backup to --http-port x', '--http-port "x"'],
    ['hub/main', 'restore from --log-level x', '--log-level "x"'],
    ['agent/main', 'run --port x', '--port "x"'],
    ['agent/main', 'run --log-level x', '--log-level "x"'],
    ['agent/main', 'enrol --id a/b', 'a/b'],
  ])('%s %s ends with 2 and names it', async (program, line, named) => {
    const folder = await tempFolder();
    const args = line.split(' ');
    const plain = await run(program, args, folder);
    expect(plain).toMatchObject({ code: 2, stdout: '' });
    expect(plain.stderr).toContain(named);
    expect(plain.stderr).toMatch(/code: bad_(usage|input)\n {2}fix: /);
    if (line.startsWith('enrol')) return;
    const json = await run(program, [...args, '--json'], folder);
    expect(json).toMatchObject({ code: 2, stdout: '' });
    const { error } = JSON.parse(json.stderr.split('\n').at(-2)!);
    expect(error).toMatchObject({ code: expect.stringMatching(/^bad_/), fix: expect.any(String) });
    expect(error.message).toContain(named);
  });
});
