/**
 * A runner, and the command line that packs with one, speak to nobody and leave nothing behind: no name is looked up, no
 * socket is opened, no file is made below the home folder or the temporary one.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { linearModel, slowModel } from '../../support/models.ts';
import { makePackFolder } from '../../support/pack-folder.ts';
import { programEntry } from '../../support/programs.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const run = promisify(execFile);
const parent = fileURLToPath(new URL('../../support/runner-parent.ts', import.meta.url));
const loader = fileURLToPath(new URL('../../support/load-model.ts', import.meta.url));
const cli = programEntry('cli/main');
const onLinux = process.platform === 'linux';
/** strace may be missing, or forbidden to look at processes. */
const canTrace = await run('strace', ['-f', '-e', 'trace=none', 'true']).then(
  () => true,
  () => false,
);
/** Longer than ONNX Runtime waits before it tells of itself. */
const LINGER_MS = 2_000;

const traced = ['-f', '-s', '200', '-e', 'trace=network,file'];
const TRACED_MS_MAX = 30_000;

/** An environment whose folders are the test's own, with everything in it that would ask for telemetry. */
async function privateHome() {
  const home = join(await tempFolder(), 'home');
  const tmp = join(home, 'tmp');
  await mkdir(tmp, { recursive: true });
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    TMPDIR: tmp,
    ORT_DISABLE_TELEMETRY: '0',
    ORT_TELEMETRY_DISABLED: '0',
  };
  return { home, env };
}

async function modelFile(): Promise<string> {
  const file = join(await tempFolder(), 'model.onnx');
  await writeFile(file, slowModel({ steps: 1 }));
  return file;
}

const packable = () =>
  makePackFolder({
    'model.yaml': [
      'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nfeatures: { x: [a, b] }',
      'sample: { file: s.csv }\ngolden: { rows: 2 }\n',
    ].join('\n'),
    'm.onnx': linearModel(),
    's.csv': 'a,b\n1,2\n3,4\n5,6\n',
  });

/** Lines of a trace that reach for the network, or make, open for writing, move or remove a file. */
function leaks(trace: string): readonly string[] {
  return trace
    .split('\n')
    .filter(
      (line) =>
        /\b(?:connect|sendto|sendmsg|bind)\(|\bsocket\((?!AF_UNIX)|resolv\.conf|nsswitch|\/etc\/hosts/.test(
          line,
        ) ||
        /\b(?:openat?2?|creat)\(.*O_(?:CREAT|WRONLY|RDWR)|\b(?:mkdir|rename|unlink|link|symlink)(?:at2?)?\(/.test(
          line,
        ),
    )
    .filter((line) => !/"\/dev\/null"|"\/proc\/self\/oom_score_adj"|\/dev\/tty/.test(line));
}

describe('ONNX Runtime, in whatever process loads it', () => {
  it('keeps nothing below the home folder or the temporary one', async () => {
    const { home, env } = await privateHome();
    await run(process.execPath, [loader, await modelFile()], { env });
    expect(await readdir(home, { recursive: true })).toEqual(['tmp']);
  });
});

describe.skipIf(!onLinux)('a runner', () => {
  it('has no socket but the channel to its parent, and leaves home and temporary folder as they were', async () => {
    const { home, env } = await privateHome();
    const child = spawn(process.execPath, [parent, await modelFile()], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const pid = Number(String((await once(child.stdout, 'data'))[0]));
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
    const tables = await Promise.all(
      ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6'].map((name) =>
        readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => ''),
      ),
    );
    const handles = await Promise.all(
      (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
    );
    const inodes = handles.flatMap((handle) => /^socket:\[(\d+)\]$/.exec(handle)?.[1] ?? []);
    expect(inodes.length).toBeGreaterThan(0);
    for (const inode of inodes) expect(tables.join('')).not.toMatch(new RegExp(`\\b${inode}\\b`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await readdir(home, { recursive: true })).toEqual(['tmp']);
  });

  it.skipIf(!canTrace)('looks up no name and writes no file, as strace sees it', async () => {
    const { env } = await privateHome();
    const trace = join(await tempFolder(), 'trace');
    const command = [process.execPath, parent, await modelFile(), 'brief'];
    await run('strace', [...traced, '-o', trace, ...command], { env, timeout: TRACED_MS_MAX });
    const seen = await readFile(trace, 'utf8');
    expect(seen).toContain('libonnxruntime');
    expect(leaks(seen)).toEqual([]);
  });
});

describe('models pack', () => {
  it('leaves home and temporary folder as they were', async () => {
    const { home, env } = await privateHome();
    const folder = await packable();
    await run(process.execPath, [cli, 'models', 'pack', folder.path], { env });
    expect(await readdir(home, { recursive: true })).toEqual(['tmp']);
    expect((await readdir(folder.path)).sort()).toEqual(['m.onnx', 'model.yaml', 'packed', 's.csv']);
  });

  it.skipIf(!canTrace)(
    'looks up no name and writes nowhere but in its folder, as strace sees it',
    async () => {
      const { env } = await privateHome();
      const folder = await packable();
      const trace = join(await tempFolder(), 'trace');
      const command = [process.execPath, cli, 'models', 'pack', folder.path];
      await run('strace', [...traced, '-o', trace, ...command], { env, timeout: TRACED_MS_MAX });
      const seen = await readFile(trace, 'utf8');
      expect(seen).toContain('libonnxruntime');
      expect(leaks(seen).filter((line) => !line.includes(folder.path))).toEqual([]);
    },
  );
});
