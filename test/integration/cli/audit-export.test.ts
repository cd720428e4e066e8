import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });

it('an export verifies without the hub, and no more when a line is changed or missing, or its signature is not the key’s', async () => {
  const folder = await tempFolder();
  const hub = await RunningHub.start();
  onTestFinished(() => hub.stop());
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, hub.ca);
  const env = { MODELFLEET_HUB: hub.url, MODELFLEET_TOKEN: hub.adminToken, MODELFLEET_CA_FILE: caFile };
  const cli = (...args: readonly string[]) => runCli(join(folder, 'login.json'), ['audit', ...args], { env });
  const [head, file, late] = ['head.json', 'audit.jsonl', 'late.jsonl'].map((name) => join(folder, name));
  await hub.client.post('/tokens', { name: 'a', role: 'viewer' });
  expect(await cli('head', '--out', head!)).toMatchObject({ code: 0 });
  const since = new Date(Date.now() + 1).toISOString();
  await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(since));
  for (const name of ['b', 'c', 'd']) await hub.client.post('/tokens', { name, role: 'viewer' });
  expect(await cli('export', '--out', file!)).toMatchObject({ code: 0 });
  expect(await cli('export', '--since', since, '--out', late!)).toMatchObject({ code: 0 });
  await hub.halt();

  const verify = (which: string) => cli('verify', '--file', which, '--against', head!);
  const lines = (await readFile(file!, 'utf8')).trim().split('\n');
  expect(await verify(file!)).toMatchObject({ code: 0 });
  expect((await verify(late!)).code).toBe(0);
  expect((await readFile(late!, 'utf8')).trim().split('\n')).toHaveLength(5);
  expect((await cli('verify', '--file', file!)).code).toBe(2);

  const changed = join(folder, 'changed.jsonl');
  const wrong: Record<string, readonly string[]> = {
    'a changed row': lines.map((line) => line.replace('"token/c"', '"token/x"')),
    'a missing row': lines.filter((line) => !line.includes('"token/c"')),
    'a missing last row': lines.filter((_line, index) => index !== lines.length - 2),
    'a missing head': lines.slice(0, -1),
    'another beginning': lines.map((line) => line.replace('0000000000', '0000000001')),
  };
  for (const [what, text] of Object.entries(wrong)) {
    expect(text.join(), what).not.toBe(lines.join());
    await writeFile(changed, `${text.join('\n')}\n`);
    expect(await verify(changed), what).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('audit_broken'),
    });
  }
  await writeFile(changed, lines.join('\n').replace(/\\"sig\\":\\"..../, '\\"sig\\":\\"AAAA'));
  expect(await verify(changed)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('signature_invalid'),
  });
});
