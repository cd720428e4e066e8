import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { enrolCommand } from '../../../agent/connection/enrol-command.ts';
import { devicesCommand } from '../../../cli/commands/devices.ts';
import { HttpHubClient } from '../../../cli/hub-client.ts';
import { StreamPrinter } from '../../../cli/printer.ts';
import { ConnectionHub } from '../../support/connection-hub.ts';

describe('modelfleet devices and modelfleet-agent enrol', () => {
  let hub: ConnectionHub;
  let client: HttpHubClient;
  beforeAll(async () => {
    hub = await ConnectionHub.start();
    client = new HttpHubClient({ url: hub.url, token: hub.operatorSecret, ca: hub.authority.caPem });
  });
  afterAll(async () => {
    await client.close();
    await hub.stop();
  });

  const run = async (...args: string[]): Promise<{ out: string; err: string }> => {
    const said = { out: '', err: '' };
    const printer = new StreamPrinter({
      format: 'table',
      out: (text) => (said.out += text),
      err: (text) => (said.err += text),
    });
    await devicesCommand({
      hub: async () => client,
      printer: () => printer,
      flags: () => ({}),
      endWith: () => undefined,
    }).parseAsync(args, {
      from: 'user',
    });
    return said;
  };

  const enrol = async (...args: string[]): Promise<string> => {
    let out = '';
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text);
      return true;
    });
    try {
      const props = { agentVersion: '1.2.3', dataFolderDefault: '/nowhere', providers: ['cpu'] };
      await enrolCommand(props).parseAsync(args, { from: 'user' });
      return out;
    } finally {
      write.mockRestore();
    }
  };

  it('take a device from its token to its removal', async () => {
    const made = await run('token', 'create', '--group', 'north', '--uses', '2', '--ttl', '30m');
    expect(made.out).toMatch(/^mfj1\.[A-Za-z0-9_-]+\n$/);
    expect(made.err).toContain('modelfleet-agent enrol');
    vi.stubEnv('MODELFLEET_JOIN_TOKEN', made.out.trim());
    expect(await enrol('--id', 'cli-1', '--data', join(hub.folder, 'cli-1'))).toContain(
      'Enrolled "cli-1" in group "north"',
    );
    vi.unstubAllEnvs();
    await enrol('--token', made.out.trim(), '--id', 'cli-2', '--data', join(hub.folder, 'cli-2'));
    expect((await run('token', 'list')).out).toMatch(/used-up +0\/2/);
    const listed = (await run('list', '--group', 'north')).out;
    expect(listed).toMatch(/cli-1 +north +offline/);
    expect(listed).toMatch(/cli-2/);
    expect((await run('list', '--group', 'south')).out).not.toContain('cli-');
    const shown = (await run('show', 'cli-1')).out;
    expect(shown).toMatch(/agent +1\.2\.3/);
    await run('move', 'cli-1', '--group', 'south');
    expect((await run('list', '--group', 'south')).out).toContain('cli-1');
    await run('remove', 'cli-1', '--yes');
    expect((await run('list')).out).not.toContain('cli-1');
    await expect(run('show', 'cli-1')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('revoke a token', async () => {
    await run('token', 'create');
    const { joinTokens } = (await client.get('/join-tokens')) as { joinTokens: { id: string }[] };
    await run('token', 'revoke', joinTokens[0]!.id, '--yes');
    expect((await run('token', 'list')).out).toMatch(/revoked/);
  });

  it('ask for a token when there is none, and name what is wrong with a flag', async () => {
    vi.stubEnv('MODELFLEET_JOIN_TOKEN', '');
    await expect(enrol('--id', 'x', '--data', join(hub.folder, 'x'))).rejects.toMatchObject({
      code: 'bad_usage',
    });
    vi.unstubAllEnvs();
    await expect(run('token', 'create', '--uses', 'many')).rejects.toMatchObject({ code: 'bad_usage' });
    await expect(run('token', 'create', '--ttl', 'soon')).rejects.toThrow(/--ttl "soon"/);
  });
});
