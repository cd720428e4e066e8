import { expect, it } from 'vitest';
import { eachFigure } from '../../../../cli/commands/telemetry-export.ts';
import type { FigureRow } from '../../../../shared/api/telemetry-figures.ts';

const row = (device: string): FigureRow => ({
  version: '1.0.0',
  device,
  windows: 1,
  requests: { ok: 1, failed: {}, refused: { all: 0, fitBefore: 0 } },
  crashes: 0,
  dropped: 0,
});

it('asks every page for the time span of the first one, however long the export takes', async () => {
  const asked: unknown[] = [];
  let now = 7_200_000;
  const get = async (_path: string, query: { fromMs?: unknown; toMs?: unknown; after?: unknown } = {}) => {
    asked.push(query);
    now += 3_600_000;
    const { fromMs = now - 3_600_000, toMs = now, after } = query;
    const rest = after === undefined ? { rows: [row('a')], next: 'x' } : { rows: [row('b')] };
    return { model: 'air', by: 'device', fromMs, toMs, ...rest };
  };
  const devices: unknown[] = [];
  for await (const { device } of eachFigure({ get }, { model: 'air', by: 'device', since: '1h' })) {
    devices.push(device);
  }
  expect(devices).toEqual(['a', 'b']);
  const query = { model: 'air', by: 'device', limit: 500 };
  expect(asked).toEqual([
    { ...query, since: '1h' },
    { ...query, fromMs: 7_200_000, toMs: 10_800_000, after: 'x' },
  ]);
});
