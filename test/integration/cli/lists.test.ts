/** Every list of the command line goes on where it was told to, is as long as asked, and says where it goes on. */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditCommand } from '../../../cli/commands/audit.ts';
import { devicesCommand } from '../../../cli/commands/devices.ts';
import { modelsCommand } from '../../../cli/commands/models.ts';
import { rolloutCommand } from '../../../cli/commands/rollout.ts';
import { tokensCommand } from '../../../cli/commands/tokens.ts';
import type { CliContext } from '../../../cli/context.ts';
import { StreamPrinter } from '../../../cli/printer.ts';
import { openDatabase } from '../../../hub/db/database.ts';
import { deviceRow } from '../../support/device-row.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { insertRollouts } from '../../support/stored-rollouts.ts';

let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
  const database = await openDatabase(join(hub.data, 'hub.db'));
  await insertRollouts(
    database,
    [1, 2, 3].map((n) => ({ id: `r-00000000000${n}`, createdAt: n, group: n === 2 ? 'lab' : 'field' })),
  );
  const versions = [
    ['m1', 1],
    ['m1', 2],
    ['m1', 3],
    ['m2', 4],
    ['m3', 5],
  ] as const;
  for (const name of ['m1', 'm2', 'm3']) {
    await database.insertInto('model').values({ name, created_at: 1 }).execute();
  }
  for (const [model, release] of versions) {
    await database
      .insertInto('version')
      .values({
        model,
        version: `${release}.0.0`,
        release,
        manifest_sha256: `${release}`.padStart(64, '0'),
        manifest: Buffer.from('{}'),
        published_at: 1,
        published_by: 'test',
        withdrawn_at: release === 2 ? 5 : null,
        withdrawn_reason: release === 2 ? 'wrong units' : null,
      })
      .execute();
  }
  for (const n of [1, 2, 3]) {
    await database
      .insertInto('device')
      .values({ ...deviceRow(`d-${n}`), ...(n === 3 ? { device_group: 'lab' } : {}) })
      .execute();
    await database
      .insertInto('desired_model')
      .values({
        device_id: `d-${n}`,
        model: n === 3 ? 'm2' : 'm1',
        version: `${n}.0.0`,
        release: n,
        manifest_sha256: `${n}`.padStart(64, '0'),
        rollout_id: null,
        offer: null,
        trial: '{}',
        set_at: 1,
      })
      .execute();
    await database
      .insertInto('join_token')
      .values({
        id: `jt-00000000000${n}`,
        secret_sha256: `${n}`,
        device_group: 'lab',
        uses_left: 1,
        uses_total: 1,
        created_at: n,
        expires_at: n === 2 ? 1 : 4_000_000_000_000,
        revoked_at: null,
        created_by: 'test',
      })
      .execute();
    await hub.client.post('/tokens', { name: `t-${n}`, role: n === 2 ? 'operator' : 'viewer' });
  }
  await database.destroy();
}, 60_000);
afterAll(() => hub?.stop());

const commands = {
  rollout: rolloutCommand,
  devices: devicesCommand,
  models: modelsCommand,
  tokens: tokensCommand,
  audit: auditCommand,
};

/** Rows, and the place where the list goes on. */
async function list(line: string): Promise<{ rows: Record<string, unknown>[]; after: string | undefined }> {
  const said = { out: '', err: '' };
  const printer = new StreamPrinter({
    format: 'json',
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
  });
  const context: CliContext = {
    hub: async () => hub.client,
    printer: () => printer,
    flags: () => ({}),
    endWith: () => undefined,
  };
  const [group, ...args] = line.split(' ');
  await commands[group as keyof typeof commands](context).parseAsync(args, { from: 'user' });
  const after = said.err === '' ? undefined : (JSON.parse(said.err).more.after as string);
  return { rows: JSON.parse(said.out), after };
}

describe('lists of the command line', () => {
  it.each([
    ['rollout list', 'id', ['r-000000000003', 'r-000000000002', 'r-000000000001']],
    ['rollout list --group field', 'id', ['r-000000000003', 'r-000000000001']],
    ['devices list', 'id', ['d-1', 'd-2', 'd-3']],
    ['devices groups', 'group', ['default', 'lab']],
    ['devices list --group lab', 'id', ['d-3']],
    ['devices token list', 'id', ['jt-000000000003', 'jt-000000000002', 'jt-000000000001']],
    ['devices token list --status usable', 'id', ['jt-000000000003', 'jt-000000000001']],
    ['models list', 'model', ['m1', 'm2', 'm3']],
    ['models show m1', 'version', ['1.0.0', '2.0.0', '3.0.0']],
    ['models show m1 --state published', 'version', ['1.0.0', '3.0.0']],
    ['tokens list', 'name', ['admin', 't-1', 't-2', 't-3']],
    ['tokens list --role viewer', 'name', ['t-1', 't-3']],
    ['rollout list --sort createdAt', 'id', ['r-000000000001', 'r-000000000002', 'r-000000000003']],
    ['rollout devices r-000000000001', 'device', ['d0']],
    ['rollout devices r-000000000001 --status pending', 'device', ['d0']],
    ['devices list --sort=-id', 'id', ['d-3', 'd-2', 'd-1']],
    ['devices list --disconnected', 'id', ['d-1', 'd-2', 'd-3']],
    ['devices list --model m1 --sort=-id', 'id', ['d-2', 'd-1']],
    ['devices list --model m1 --version 2.0.0', 'id', ['d-2']],
    ['devices groups --sort=-group', 'group', ['lab', 'default']],
    ['models show m1 --sort=-release', 'version', ['3.0.0', '2.0.0', '1.0.0']],
    ['tokens list --sort=-name', 'name', ['t-3', 't-2', 't-1', 'admin']],
    ['audit list --action token.created', 'target', ['token/t-3', 'token/t-2', 'token/t-1', 'token/admin']],
  ])('%s', async (line, key, values) => {
    const whole = await list(line);
    expect([whole.rows.map((row) => row[key]), whole.after]).toEqual([values, undefined]);
    const found: unknown[] = [];
    let after: string | undefined;
    do {
      const page = await list(`${line} --limit 1${after === undefined ? '' : ` --after ${after}`}`);
      expect(page.rows).toHaveLength(1);
      found.push(page.rows[0]![key]);
      after = page.after;
    } while (after !== undefined);
    expect(found).toEqual(values);
  });

  it.each(['0', '-1', 'all', '1.5'])('refuses a limit of %s', async (limit) => {
    await expect(list(`devices list --limit ${limit}`)).rejects.toMatchObject({ code: 'bad_usage' });
  });

  it('gives audit events of a span of time', async () => {
    const { rows } = await list('audit list --sort number');
    const [first, last] = [rows[0]!, rows.at(-1)!].map(({ at }) => new Date(Number(at)).toISOString());
    expect((await list(`audit list --until ${first}`)).rows).toEqual([]);
    expect((await list(`audit list --since ${last}`)).rows.length).toBeGreaterThan(0);
    await expect(list('audit list --until soon')).rejects.toMatchObject({ code: 'bad_usage' });
  });

  it('gives no devices where none is connected', async () => {
    expect((await list('devices list --connected')).rows).toEqual([]);
  });

  it('refuses flags of a list for one version', async () => {
    await expect(list('models show m1 1.0.0 --limit 1')).rejects.toMatchObject({ code: 'bad_usage' });
  });
});
