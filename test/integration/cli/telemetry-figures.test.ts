import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeTelemetryReport } from '../../../shared/protocol/telemetry-report.ts';
import { runCli } from '../../support/cli.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { publishedVersion, report, versionsOf } from '../../support/profiles.ts';
import { programEntry } from '../../support/programs.ts';
import { startTelemetryHub, type TelemetryHub } from '../../support/telemetry-hub.ts';

const air = publishedVersion({ label: { output: 'y', kind: 'regression' } });
const hourMs = 3_600_000;
const clock = new ManualClock(Date.parse('2026-11-20T10:00:00Z'));
let hub: TelemetryHub;
let folder: string;
let number = 0;

const run = (...args: string[]) => runCli(join(folder, 'none.json'), ['telemetry', ...args], hub);

async function send(device: string, ok: number, failures: Record<string, number> = {}): Promise<void> {
  number += 1;
  const fields = { number, rows: ok, requests: { ok, failed: failures } };
  const labels = { kind: 'regression', n: 4, absoluteError: 2, squaredError: 4 } as const;
  await hub.telemetry.receive(device, encodeTelemetryReport(report(air, { ...fields, labels })));
}

beforeAll(async () => {
  hub = await startTelemetryHub({
    versions: versionsOf(air),
    clock,
    fleet: { groupsOf: async (ids) => new Map(ids.map((id) => [id, id === 'a' ? 'north' : 'south'])) },
  });
  folder = hub.folder;
  await send('a', 100);
  await send('b', 100);
  clock.advance(3 * hourMs);
  await send('a', 100);
  await send('b', 60, { internal: 30, overloaded: 10 });
  clock.advance(60_000);
});
afterAll(() => hub.stop());

describe('modelfleet telemetry show --by', () => {
  it('names the device that fails, since when, and its drift', async () => {
    const { code, stdout, stderr } = await run('show', '--model', 'air', '--by', 'device', '--since', '1d');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [titles, ...lines] = stdout.trimEnd().split('\n');
    expect(titles).toMatch(/^DEVICE +GROUP +VERSION +REQUESTS +FAILED +ERROR RATE +FAILING SINCE/);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^b +south +1\.0\.0 +200 +30 internal, 10 overloaded +20\.00 % +2026-11-20 13:00Z +0 .*MAE 0\.500.* drift$/,
    );
  });

  it('lists every device with --sort device, in pages', async () => {
    const args = ['show', '--model', 'air', '--by', 'device', '--sort', 'device', '--since', '1d', '--json'];
    const first = await run(...args, '--limit', '1');
    expect(JSON.parse(first.stdout)).toMatchObject([{ device: 'a', errorRate: 0 }]);
    const { more } = JSON.parse(first.stderr) as { more: { after: string } };
    const { stdout } = await run(...args, '--after', more.after);
    expect(JSON.parse(stdout)).toMatchObject([
      { device: 'b', requests: { ok: 160, failed: { internal: 30, overloaded: 10 } } },
    ]);
  });

  it.each([
    [['hour'], /^2026-11-20 13:00Z +1\.0\.0 +200 +30 internal, 10 overloaded +20\.00 % .*$/m],
    [['hour', '--device', 'b'], /^2026-11-20 13:00Z +1\.0\.0 +100 .* 40\.00 % .* drift$/m],
    [['group', '--since', '6h'], /^south +1\.0\.0 +200 /m],
    [['arm'], /^rest +– +1\.0\.0 +200 /m],
    [['version', '--since', '1d'], /^1\.0\.0 +400 /m],
    [['minute'], /^2026-11-20 13:00Z +1\.0\.0 +200 /m],
    [
      ['hour', '--from', '2026-11-20T10:00:00Z', '--to', '2026-11-20T11:00:00Z'],
      /^2026-11-20 10:00Z .* 0\.00 %/m,
    ],
  ])('shows --by %j', async (by, text) => {
    const { code, stdout, stderr } = await run('show', '--model', 'air', '--by', ...by);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(text);
  });

  it('explains why there is nothing yet', async () => {
    const { code, stdout, stderr } = await run('show', '--model', 'none', '--by', 'hour');
    expect(code).toBe(0);
    expect(stdout).toBe('No device reported none in this time span.\n');
    expect(stderr).toContain('A device reports at the end of each telemetry window');
  });

  it.each([
    [['--by', 'group', '--device', 'a'], 2, '--by hour'],
    [['--by', 'hour', '--from', 'soon'], 2, '--from'],
    [['--by', 'month'], 2, 'month'],
    [['--by', 'device', '--since', '7d'], 1, 'longer than 1d'],
    [['--by', 'group', '--since', '90d'], 1, 'longer than 31d'],
    [['--by', 'hour', '--sort', 'device'], 1, '"sort" needs "by"'],
    [['--by', 'hour', '--after', 'x'], 1, '"after" is'],
    [['--by', 'hour', '--since', '1h', '--from', '2026-11-20T10:00:00Z'], 2, '--since'],
    [['--from', '2026-11-21T10:00:00Z', '--to', '2026-11-20T10:00:00Z'], 1, 'ends before it begins'],
  ])('refuses %j', async (args, exit, text) => {
    const { code, stderr, stdout } = await run('show', '--model', 'air', ...args);
    expect(stderr).toContain(text);
    expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
  });
});

describe('modelfleet telemetry export', () => {
  it('writes CSV that other programs read, and leaves no partial file', async () => {
    const out = join(folder, 'air.csv');
    const { code, stdout } = await run('export', '--model', 'air', '--out', out);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `2 rows are in ${out}.\n` });
    const rows = parse(await readFile(out), { columns: true }) as Record<string, string>[];
    expect(rows).toMatchObject([
      {
        model: 'air',
        version: '1.0.0',
        from: '2026-11-20T10:00:00.000Z',
        ok: '200',
        failed: '0',
        mae: '0.5',
      },
      { failed: '40', failed_by_code: 'internal=30 overloaded=10', error_rate: '0.2', device: '' },
    ]);
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it('writes a row of JSON on each line to standard output', async () => {
    const args = ['--by', 'device', '--since', '1d', '--format', 'ndjson', '--out', '-'];
    const { code, stdout } = await run('export', '--model', 'air', ...args);
    expect(code).toBe(0);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows).toMatchObject([
      { model: 'air', device: 'a', verdict: 'drift' },
      { model: 'air', device: 'b', requests: { ok: 160 } },
    ]);
  });
});

describe('modelfleet telemetry tail', () => {
  it('prints each minute as it ends, until it is interrupted', async () => {
    const args = ['telemetry', 'tail', '--model', 'air', '--every', '100ms'];
    const child = spawn(process.execPath, [programEntry('cli/main'), ...args], {
      env: { ...process.env, MODELFLEET_CONFIG: join(folder, 'none.json'), ...hub.env },
    });
    let stdout = '';
    child.stdout.on('data', (bytes) => {
      stdout += bytes;
    });
    await expect.poll(() => stdout, { timeout: 20_000 }).toMatch(/^2026-11-20 13:00Z +1\.0\.0 +200 /m);
    await send('a', 7);
    clock.advance(60_000);
    await expect.poll(() => stdout, { timeout: 20_000 }).toMatch(/^2026-11-20 13:01Z +1\.0\.0 +7 /m);
    expect(stdout.match(/13:00Z/g)).toHaveLength(1);
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([null, 'SIGINT']);
  });
});
