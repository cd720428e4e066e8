/** Prometheus itself, with the configuration under deploy, scrapes a running hub with the token of a viewer. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { queriesOf, readDashboards, withoutVariables } from '../../support/dashboards.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const deploy = join(import.meta.dirname, '../../../deploy/prometheus');
const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0;
let child: ChildProcess | undefined;
let hub: RunningHub | undefined;

afterEach(async () => {
  if (child?.exitCode === null && child.kill()) await once(child, 'exit');
  await hub?.stop();
});

interface Answer<T> {
  readonly status: string;
  readonly error?: string;
  readonly data: T;
}
interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** The configuration with this hub in it, as an operator would fill it in. */
async function configuration(folder: string, running: RunningHub): Promise<string> {
  const { secret } = (await running.client.post('/tokens', { name: 'prometheus', role: 'viewer' })) as {
    secret: string;
  };
  const [token, ca, file] = ['token', 'ca.pem', 'prometheus.yml'].map((name) => join(folder, name));
  await writeFile(token!, secret, { mode: 0o600 });
  await writeFile(ca!, running.ca);
  await copyFile(join(deploy, 'rules.yml'), join(folder, 'rules.yml'));
  const text = await readFile(join(deploy, 'prometheus.yml'), 'utf8');
  await writeFile(
    file!,
    text
      .replace('/etc/prometheus/modelfleet-token', token!)
      .replace('/etc/prometheus/modelfleet-ca.pem', ca!)
      .replace('hub.example:7443', new URL(running.url).host)
      .replaceAll(/(_interval): 15s/g, '$1: 1s'),
  );
  return file!;
}

/** Its URL, once it listens. */
async function startPrometheus(folder: string, config: string): Promise<string> {
  const data = join(folder, 'data');
  child = spawn(
    'prometheus',
    [`--config.file=${config}`, `--storage.tsdb.path=${data}`, '--web.listen-address=127.0.0.1:0'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    lines.push(line);
    const address = /msg="Listening on" address=(\S+)/.exec(line)?.[1];
    if (address === undefined) continue;
    child.stderr!.resume();
    return `http://${address}`;
  }
  throw new Error(`prometheus ended: ${lines.join('\n')}`);
}

async function ask<T>(url: string, path: string, query: Record<string, string> = {}): Promise<T> {
  const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(query)}`);
  const answer = (await response.json()) as Answer<T>;
  expect(answer.status, `${query['query']}: ${answer.error}`).toBe('success');
  return answer.data;
}

describe.skipIf(!hasPrometheus)('Prometheus', () => {
  it('shows the fleet of a hub that it scrapes, evaluates the alerts and answers each query of the dashboards', async () => {
    hub = await RunningHub.start();
    const folder = await tempFolder();
    const url = await startPrometheus(folder, await configuration(folder, hub));
    const query = async (text: string) =>
      (await ask<{ result: Sample[] }>(url, 'query', { query: text })).result;
    const value = async (text: string) => (await query(text))[0]?.value[1];
    await expect.poll(() => value('up{job="modelfleet-hub"}')).toBe('1');
    expect(await value('modelfleet_devices_connected')).toBe('0');
    expect(
      await value('modelfleet_certificate_expiry_timestamp_seconds{certificate="server"} > time()'),
    ).toMatch(/^\d/);
    expect(await value('modelfleet_rollouts{status="running"}')).toBe('0');
    for (const dashboard of readDashboards().values()) {
      for (const one of queriesOf(dashboard)) await query(withoutVariables(one.query));
    }
    const healthOf = async () => {
      const { groups } = await ask<{ groups: { rules: { health: string }[] }[] }>(url, 'rules');
      return new Set(groups.flatMap(({ rules }) => rules.map(({ health }) => health)));
    };
    await expect.poll(healthOf).toEqual(new Set(['ok']));
    const firing = await query('ALERTS{alertstate="firing"}');
    expect(firing.map(({ metric }) => metric['alertname'])).toEqual([]);
  });
});
