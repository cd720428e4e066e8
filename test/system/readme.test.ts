/**
 * A newcomer who follows README to the letter: its own commands, in its order, in one shell's environment and folder. Installing is
 * tested by `npm run test:package`; what is replaced is what a reader replaces, and waits that prove nothing here.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeIrisFolder } from '../../demo/iris/iris-folder.ts';
import { bins } from '../support/programs.ts';
import { type CodeBlock, commandsOf, readmeBlocks } from '../support/readme-blocks.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

interface Done {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const programs: ChildProcess[] = [];
const outputs = new Map<ChildProcess, string>();
/** What the reader copies from one output into a later command. */
const copied = { fingerprint: '', joinToken: '', rollout: '' };
let folder: string;
let blocks: readonly CodeBlock[];
let ports: { readonly http: number; readonly mqtt: number; readonly api: number };
let env: NodeJS.ProcessEnv;

/** On one machine, with ports that are free; ten seconds of trial and of soak would prove nothing more than one. */
function asTyped(command: string): string {
  const replacements: readonly (readonly [RegExp, string])[] = [
    [/hub\.example:7443/g, `localhost:${ports.http}`],
    [/ --http-host 0\.0\.0\.0 --mqtt-host 0\.0\.0\.0 --advertise hub\.example/, ''],
    [/^modelfleet-hub /, `modelfleet-hub --http-port ${ports.http} --mqtt-port ${ports.mqtt} `],
    [/^modelfleet-agent run/, `modelfleet-agent run --port ${ports.api} --window 1s --heartbeat 1s`],
    [/127\.0\.0\.1:7470/g, `127.0.0.1:${ports.api}`],
    [/(--ca-fingerprint) …/, `$1 ${copied.fingerprint}`],
    [/mfj1\.…/, copied.joinToken],
    [/'…'/, "'correct horse battery staple'"],
    [/--(trial|soak) 10s/g, '--$1 1s'],
    [/\bID\b/, copied.rollout],
    // At a terminal these ask.
    [/^modelfleet (models withdraw|rollout abort|rollout rollback) .*$/, '$& --yes'],
  ];
  return replacements.reduce((text, [pattern, by]) => text.replace(pattern, by), command);
}

function run(command: string): Promise<Done> {
  const typed = asTyped(command);
  const exported = /^export (\w+)='(.*)'$/.exec(typed);
  if (exported) env = { ...env, [exported[1]!]: exported[2]! };
  return new Promise((resolve) => {
    execFile('bash', ['-c', typed], { cwd: folder, env }, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, out, err }),
    );
  });
}

async function expectDone(command: string): Promise<string> {
  const { code, out, err } = await run(command);
  expect(code, `${command}\n${out}${err}`).toBe(0);
  return out;
}

/** Starts what runs until it is told to stop; resolves when its output holds `ready`. */
async function start(command: string, ready: RegExp): Promise<string> {
  const child = spawn('bash', ['-c', `exec ${asTyped(command)}`], { cwd: folder, env });
  programs.push(child);
  outputs.set(child, '');
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => outputs.set(child, outputs.get(child) + String(text)));
  }
  await expect.poll(() => outputs.get(child), { timeout: 60_000 }).toMatch(ready);
  return outputs.get(child)!;
}

/** Every command of the shell blocks of a step. */
function commands(step: number): readonly string[] {
  return blocks.filter((block) => block.step === step && block.language === 'sh').flatMap(commandsOf);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelfleet-readme-'));
  blocks = await readmeBlocks();
  ports = { http: await freePort(), mqtt: await freePort(), api: await freePort() };
  await mkdir(join(folder, 'home'));
  env = { PATH: [bins, process.env['PATH']].join(delimiter), HOME: join(folder, 'home'), LANG: 'C.UTF-8' };
});

afterAll(async () => {
  for (const child of programs.reverse()) {
    if (child.exitCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
});

describe('README, followed by somebody new', () => {
  it('has ten steps', () => {
    expect([...new Set(blocks.map(({ step }) => step))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('2. starts a hub and logs in', async () => {
    const [hub, ...rest] = commands(2);
    const printed = await start(hub!, /ca-fingerprint [0-9a-f]{64}/);
    copied.fingerprint = /ca-fingerprint ([0-9a-f]{64})/.exec(printed)![1]!;
    for (const command of rest) await expectDone(command);
  });

  it('3. makes the signing keys, the files that the table names', async () => {
    for (const command of commands(3)) await expectDone(command);
    for (const key of ['root-1.pem', 'targets.pem', 'publisher.pem']) {
      expect(await readFile(join(folder, 'modelfleet-keys', key), 'utf8'), key).toContain('PRIVATE KEY');
    }
  });

  it('4. packs and publishes the model that it shows', async () => {
    const [example, ...rest] = commands(4);
    // In a copy of the repository; the folder goes where the reader works.
    expect(example).toBe('npm run example:iris');
    await writeIrisFolder(join(folder, 'made'));
    await cp(join(folder, 'made'), join(folder, 'iris'), { recursive: true });
    const shown = blocks.find(({ step, language }) => step === 4 && language === 'yaml')!;
    expect(await readFile(join(folder, 'iris/model.yaml'), 'utf8')).toBe(shown.text);
    let last = '';
    for (const command of rest) last = await expectDone(command);
    expect(last).toMatch(/iris\s.*1\.0\.0/);
  });

  it('5. enrols a device, which is then online', async () => {
    const [create, enrol, agent] = commands(5);
    copied.joinToken = /mfj1\.\S+/.exec(await expectDone(create!))![0];
    await expectDone(enrol!);
    await start(agent!, /connected to the hub/);
    expect(await expectDone('modelfleet devices list')).toMatch(/bench-1\s.*(online|yes|connected)/);
  });

  it('6. rolls the version out; what comes too late for a rollout that has ended is refused by name', async () => {
    const [create, watch, ...later] = commands(6);
    copied.rollout = /[0-9a-z]+-[0-9a-z-]+|[0-9a-f]{8,}/.exec(await expectDone(create!))![0];
    await expectDone(watch!);
    expect(later.map((command) => command.split(' ')[2])).toEqual(['pause', 'resume', 'abort', 'rollback']);
    for (const command of later.slice(0, 3)) {
      const { code, err } = await run(command);
      expect({ code, err }, command).toEqual({ code: 1, err: expect.stringContaining('completed') });
    }
  });

  it('7. answers requests on the device, takes a label, and shows how the device is', async () => {
    const [infer, feedback, status, doctor, ...rest] = commands(7);
    expect(JSON.parse(await expectDone(infer!))).toMatchObject({ model_name: 'iris', id: 'flower-1' });
    expect(await expectDone(feedback!)).not.toContain('error');
    expect(await expectDone(status!)).toContain('iris');
    await expectDone(doctor!);
    // It keeps no version before the first, and has quarantined none.
    expect((await run(rest[0]!)).err).toContain('no_previous_version');
    await expectDone(rest[1]!);
  });

  it('8. shows figures, drift, the device and the audit log', async () => {
    const reported = async () => (await run(commands(8)[0]!)).code;
    await expect.poll(reported, { timeout: 60_000 }).toBe(0);
    for (const command of commands(8)) await expectDone(command);
  });

  it('6. rolls back, also after the end: a device without another version keeps what it has', async () => {
    const rollback = commands(6).find((command) => command.includes('rollout rollback'))!;
    await expectDone(rollback);
    expect(await expectDone('modelfleet-agent status')).toContain('iris');
  });

  it('9. and 10. withdraws the version and takes the model off', async () => {
    for (const command of [...commands(9), ...commands(10)]) await expectDone(command);
    await expect
      .poll(async () => (await run('modelfleet-agent status')).out, { timeout: 60_000 })
      .not.toContain('iris');
  });
});
