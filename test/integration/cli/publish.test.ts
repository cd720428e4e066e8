import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type CliResult, runCli } from '../../support/cli.ts';
import { linearModel } from '../../support/models.ts';
import { makePackFolder } from '../../support/pack-folder.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const env = { MODELFLEET_PASSPHRASE: 'correct horse battery' };
let hub: RunningHub;

beforeAll(async () => {
  hub = await RunningHub.start();
});
afterAll(() => hub.stop());

/** A machine that is logged in, with a folder for its keys. */
async function publisherMachine() {
  const folder = await tempFolder();
  const config = join(folder, 'login.json');
  const login = ['login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256];
  expect(await runCli(config, login)).toMatchObject({ code: 0 });
  return {
    keys: join(folder, 'keys'),
    run: (...args: string[]): Promise<CliResult> => runCli(config, args, { env }),
    runWithout: (...args: string[]): Promise<CliResult> =>
      runCli(config, args, { env: { MODELFLEET_PASSPHRASE: '' } }),
  };
}

async function modelFolder(version: string, release: number): Promise<string> {
  const samples = Array.from({ length: 60 }, (_, row) => `${row},${row % 7}`);
  const yaml = {
    model: 'line',
    version,
    release,
    file: 'model.onnx',
    sample: { file: 'samples.csv', columns: { x: ['a', 'b'] } },
    golden: { rows: 4 },
  };
  const { path } = await makePackFolder({
    'model.yaml': stringify(yaml),
    'model.onnx': linearModel({ weights: [release, 1] }),
    'samples.csv': `a,b\n${samples.join('\n')}\n`,
  });
  return path;
}

describe('a publisher with the command line', () => {
  it('makes keys, publishes from model.yaml, shows and withdraws', async () => {
    const { keys, run, runWithout } = await publisherMachine();
    expect(await run('trust', 'status')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('trust init'),
    });
    const folder = await modelFolder('1.0.0', 1);
    const packed = await run('models', 'pack', folder);
    expect(packed).toMatchObject({ code: 0, stderr: '' });

    expect(await runWithout('trust', 'init', '--keys', keys)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('MODELFLEET_PASSPHRASE'),
    });
    const made = await run('trust', 'init', '--keys', keys, '--root-keys', '3', '--root-threshold', '2');
    expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining('OFFLINE') });
    expect((await readdir(keys)).filter((name) => name.endsWith('.pem')).sort()).toEqual([
      'publisher.pem',
      'root-1.pem',
      'root-2.pem',
      'root-3.pem',
      'targets.pem',
    ]);
    expect(await run('trust', 'init', '--keys', keys)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('already exists'),
    });
    expect(await run('trust', 'init', '--keys', `${keys}-2`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code: trust_exists'),
    });
    expect(await run('trust', 'status')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('publisher'),
    });

    const key = join(keys, 'publisher.pem');
    const source = join(folder, 'samples.csv');
    const rows = await readFile(source, 'utf8');
    await writeFile(source, `${rows}1,1\n`);
    expect(await run('models', 'publish', folder, '--key', key)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /"samples\.csv" has changed since .*packed" was packed at [\s\S]*code: pack_outdated/,
      ),
    });
    await writeFile(source, rows);
    const published = await run('models', 'publish', folder, '--key', key);
    expect(published).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/Publishing .*packed, packed \d{4}-/),
      stdout: expect.stringContaining('Published line 1.0.0'),
    });
    const digest = /manifest ([0-9a-f]{64})/;
    expect(digest.exec(published.stdout)?.[1]).toBe(digest.exec(packed.stdout)?.[1]);
    const again = await run('models', 'publish', join(folder, 'packed'), '--key', key);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('code: version_exists') });
    const unpacked = await modelFolder('2.0.0', 2);
    expect(await run('models', 'publish', unpacked, '--key', key)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Published line 2.0.0'),
    });

    expect(await run('models', 'list')).toMatchObject({
      stdout: expect.stringMatching(/line +2\.0\.0 +2 +2/),
    });
    expect(await run('models', 'show', 'line', '1.0.0')).toMatchObject({
      stdout: expect.stringContaining('inputs     x FP32[-1,2]'),
    });
    const withdrawn = await run(
      'models',
      'withdraw',
      '--yes',
      'line',
      '1.0.0',
      '--key',
      key,
      '--reason',
      'wrong unit',
    );
    expect(withdrawn).toMatchObject({ code: 0 });
    expect(await run('models', 'show', 'line')).toMatchObject({
      stdout: expect.stringContaining('withdrawn: wrong unit'),
    });
    await run('models', 'withdraw', '--yes', 'line', '2.0.0', '--key', key, '--reason', 'wrong unit');
    expect((await run('models', 'list')).stdout).toMatch(/line +2\.0\.0 \(withdrawn\)/);

    await refusals({ keys, run, runWithout });
  }, 120_000);

  async function refusals({ keys, run, runWithout }: Awaited<ReturnType<typeof publisherMachine>>) {
    const fresh = await modelFolder('3.0.0', 3);
    const wrongKey = await run('models', 'publish', fresh, '--key', join(keys, 'targets.pem'));
    expect(wrongKey).toMatchObject({ code: 1, stderr: expect.stringContaining('code: signature_invalid') });
    const locked = await runWithout('models', 'publish', fresh, '--key', join(keys, 'publisher.pem'));
    expect(locked).toMatchObject({ code: 1, stderr: expect.stringContaining('code: key_unreadable') });
    const file = join(fresh, 'packed', 'model.onnx');
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    const changed = await run(
      'models',
      'publish',
      join(fresh, 'packed'),
      '--key',
      join(keys, 'publisher.pem'),
    );
    expect(changed).toMatchObject({ code: 1, stderr: expect.stringContaining('code: pack_invalid') });
    expect(await run('models', 'show', 'none')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code: not_found'),
    });
    expect(await run('models', 'publish', fresh)).toMatchObject({ code: 2 });
  }
});
