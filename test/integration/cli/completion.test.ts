/** Completion in the shells themselves: bash with a line as readline hands it over, zsh in a pseudo-terminal, fish by its own question. */
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { programEntry } from '../../support/programs.ts';
import { RunningHub } from '../../support/running-hub.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const programs = { modelfleet: 'cli', 'modelfleet-agent': 'agent', 'modelfleet-hub': 'hub' };
const has = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0;

let hub: RunningHub;
let env: NodeJS.ProcessEnv;
let offline: NodeJS.ProcessEnv;
let folder: string;

beforeAll(async () => {
  hub = await RunningHub.start();
  folder = await mkdtemp(join(tmpdir(), 'modelfleet-test-'));
  for (const [name, part] of Object.entries(programs)) {
    const file = join(folder, name);
    writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${programEntry(`${part}/main`)}' "$@"\n`);
    chmodSync(file, 0o755);
  }
  writeFileSync(join(folder, 'ca.pem'), hub.ca);
  env = {
    ...process.env,
    PATH: `${folder}:${process.env['PATH']}`,
    HOME: folder,
    MODELFLEET_CONFIG: join(folder, 'login.json'),
    MODELFLEET_HUB: hub.url,
    MODELFLEET_TOKEN: hub.adminToken,
    MODELFLEET_CA_FILE: join(folder, 'ca.pem'),
  };
  offline = { ...env, MODELFLEET_HUB: 'https://127.0.0.1:1' };
  for (const shell of ['bash', 'zsh', 'fish']) {
    for (const name of Object.keys(programs)) {
      writeFileSync(join(folder, `${name}.${shell}`), await run(name, ['completion', shell], env));
    }
  }
});
afterAll(async () => {
  await hub.stop();
  await rm(folder, { recursive: true, force: true });
});

async function run(file: string, args: readonly string[], environment = env): Promise<string> {
  const { stdout } = await promisify(execFile)(file, [...args], { env: environment, cwd: folder });
  return stdout;
}

/** What the shell offers for a line that ends at the cursor. */
type Ask = (line: string, environment?: NodeJS.ProcessEnv) => Promise<readonly string[]>;

const askBash: Ask = async (line, environment = env) => {
  const [program] = line.split(' ');
  // As readline splits a line: at spaces, and `=` and `:` are words of their own.
  const words = line
    .split(' ')
    .flatMap((word) => (word === '' ? [''] : word.split(/([=:])/).filter(Boolean)));
  const script = `source ${program}.bash
    COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
    $(complete -p ${program} | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  return (await run('bash', ['--norc', '-c', script], environment)).split('\n').filter(Boolean);
};

const askFish: Ask = async (line, environment = env) => {
  const [program] = line.split(' ');
  const script = `source ${program}.fish; complete -C '${line}'`;
  const lines = (await run('fish', ['--no-config', '-c', script], environment)).split('\n').filter(Boolean);
  return lines.map((one) => one.split('\t')[0]!);
};

/** The candidates that the completion function hands to zsh in a pseudo-terminal: `compadd` is made to print them. */
const askZsh: Ask = async (line, environment = env) => {
  const [program] = line.split(' ');
  const script = `
    zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z "PROMPT=; autoload -U compinit; compinit -u -D; source ${program}.zsh"
    zpty -w z 'compadd() { local -a found; builtin compadd -O found "$@"; (( $#found )) && print -l -r -- "OFFER "$^found; builtin compadd "$@" }'
    zpty -w z "ask() { zle complete-word; print -r -- DO'NE' }; zle -N ask; bindkey '^I' ask; print READ'Y'"
    zpty -m -r z before '*READY*'
    zpty -n -w z '${line}'$'\\t'
    zpty -m -r z out '*DONE*'
    zpty -d z
    print -r -- $out`;
  const shown = await run('zsh', ['-f', '-c', script], environment);
  return [...new Set([...shown.matchAll(/OFFER (\S+)/g)].map(([, value]) => value!))];
};

describe.each([
  ['bash', askBash],
  ['fish', askFish],
  ['zsh', askZsh],
] as const)('completion in %s', (shell, ask) => {
  const given = it.skipIf(!has(shell));

  given('offers commands, options and values of options', async () => {
    expect(await ask('modelfleet devices ')).toEqual(
      expect.arrayContaining(['list', 'move', 'remove', 'token']),
    );
    expect(await ask('modelfleet rollout create --soa')).toEqual(['--soak']);
    expect(await ask('modelfleet tokens create ci --role v')).toEqual(['viewer']);
    expect(await ask('modelfleet-agent sta')).toEqual(['status']);
    expect(await ask('modelfleet-hub res')).toEqual(['restore']);
    expect(await ask('modelfleet-hub --log-level tr')).toEqual(['trace']);
  });

  given('offers what the hub has, and nothing while it is away', async () => {
    expect(await ask('modelfleet tokens revoke ad')).toEqual(['admin']);
    expect(await ask('modelfleet tokens revoke ad', offline)).toEqual([]);
  });
});

describe('completion in bash', () => {
  it('goes on after "=" and ":", at which bash splits words', async () => {
    expect(await askBash('modelfleet devices list --output=js')).toEqual(['json', 'jsonpath=']);
    const login = { token: 't', ca: 'c' };
    writeFileSync(
      join(folder, 'login.json'),
      JSON.stringify({ v: 1, hubs: { 'https://hub.example:7443': login } }),
    );
    expect(await askBash('modelfleet context use hub.example:')).toEqual(['7443']);
  });

  it('offers files where a file is wanted', async () => {
    expect(await askBash('modelfleet models publish --key ca')).toEqual(['ca.pem']);
  });
});
