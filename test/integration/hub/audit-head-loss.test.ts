import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 60_000 });

interface Rows {
  readonly events: readonly { readonly details: Record<string, unknown> }[];
}

/** Starts, passes it to `use`, and stops. */
async function withHub(data: string, acceptLoss: boolean, use: (hub: RunningHub) => Promise<void>) {
  const hub = await RunningHub.start({ data, startOptions: { acceptLoss, newAdminToken: true } });
  onTestFinished(() => hub.stop());
  await use(hub);
  await hub.stop();
}

const setAsideRows = async (hub: RunningHub) =>
  ((await hub.client.get('/audit', { action: 'audit.head_set_aside' })) as Rows).events;

it.each([
  ['empty', ''],
  ['damaged', '{"payload":"'],
  ['of another key', undefined],
])(
  'a kept head that is %s stops signing until a start accepts the loss, which is recorded',
  async (_what, text) => {
    const data = await tempFolder();
    const file = join(data, 'audit-head.json');
    await withHub(data, false, async () => undefined);
    const sound = await readFile(file, 'utf8');
    const damaged = text ?? sound.replace(/"sig":"..../, '"sig":"AAAA');
    await writeFile(file, damaged);

    await withHub(data, false, async (hub) => {
      await expect(hub.client.get('/audit/head')).rejects.toMatchObject({
        code: 'signature_invalid',
        message: expect.stringContaining('--accept-loss'),
      });
      expect(await hub.client.get('/audit/verify')).toMatchObject({ intact: false });
    });
    expect(await readFile(file, 'utf8')).toBe(damaged);

    await withHub(data, true, async (hub) => {
      await hub.client.get('/audit/head');
      expect(await hub.client.get('/audit/verify')).toMatchObject({ intact: true });
      const [row] = await setAsideRows(hub);
      expect(await readFile(join(data, String(row?.details['file'])), 'utf8')).toBe(damaged);
    });
    expect(JSON.parse(await readFile(file, 'utf8'))).toHaveProperty('signatures');
  },
);

it('a start that accepts losses leaves a valid head where it is', async () => {
  const data = await tempFolder();
  await withHub(data, false, async () => undefined);
  await withHub(data, true, async (hub) => expect(await setAsideRows(hub)).toEqual([]));
  expect((await readdir(data)).filter((name) => name.startsWith('audit-head'))).toEqual(['audit-head.json']);
});
