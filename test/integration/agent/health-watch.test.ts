import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Conditions } from '../../../agent/health/conditions.ts';
import { HealthWatch, type HealthWatchProps } from '../../../agent/health/health-watch.ts';
import type { ReportedModel } from '../../../shared/protocol/reported-state.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const day = 86_400_000;
async function watch(more: Partial<HealthWatchProps> = {}) {
  const data = await tempFolder();
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const conditions = new Conditions(() => undefined);
  const health = new HealthWatch({
    conditions,
    slots: { models: () => [], collect: async () => 0 },
    download: { dropLeftovers: async () => undefined },
    updates: { report: () => [], pinned: () => new Set() },
    trust: {},
    provenMs: () => 0,
    certificate: {
      certificateFrom: clock.now() - day,
      certificateExpiresAt: clock.now() + 20 * day,
    },
    freeBytes: async () => 2 ** 40,
    makeReserve: async () => undefined,
    noteLink: () => undefined,
    isConnected: () => false,
    dropped: () => ({ events: 0, telemetry: 0 }),
    predictionFault: () => undefined,
    holdFile: join(data, 'hold'),
    data,
    clock,
    logger: pino({ level: 'silent' }),
    ...more,
  } as unknown as HealthWatchProps);
  const codes = () => conditions.list().map(({ code }) => code);
  return { health, clock, codes };
}

describe('HealthWatch', () => {
  it('says for an hour after the last loss that telemetry was given up, however often it looks', async () => {
    let telemetry = 0;
    const { health, clock, codes } = await watch({ dropped: () => ({ events: 0, telemetry }) });
    await health.check();
    expect(codes()).toEqual([]);
    telemetry = 3;
    for (let n = 0; n < 3; n += 1) {
      health.noteUpdates();
      clock.advance(10 * 60_000);
      await health.check();
      expect(codes()).toEqual(['spool_dropping']);
    }
    clock.advance(3_600_000);
    await health.check();
    expect(codes()).toEqual([]);
  });

  it('says for an hour after the last loss that log lines were lost: an agent with little to say loses few', async () => {
    let lost = 0;
    const { health, clock, codes } = await watch({ logLost: () => lost });
    await health.check();
    expect(codes()).toEqual([]);
    lost = 3;
    for (let n = 0; n < 3; n += 1) {
      await health.check();
      expect(codes()).toEqual(['log_lost']);
      clock.advance(10 * 60_000);
    }
    clock.advance(3_600_000);
    await health.check();
    expect(codes()).toEqual([]);
  });

  it('says that predictions are not stored for as long as they are not', async () => {
    let fault: string | undefined = 'Cannot write "/data/predictions": the disk is full.';
    const { health, codes } = await watch({ predictionFault: () => fault });
    await health.check();
    expect(codes()).toEqual(['predictions_not_stored']);
    fault = undefined;
    await health.check();
    expect(codes()).toEqual([]);
  });

  it('sets space aside for a rollback while the disk has some, and goes on looking when it cannot', async () => {
    let free = 2 ** 20;
    let made = 0;
    const makeReserve = async () => {
      made += 1;
      throw new Error('no such device');
    };
    const { health } = await watch({ freeBytes: async () => free, makeReserve });
    await health.check();
    expect(made).toBe(0);
    free = 2 ** 40;
    await health.check();
    expect(made).toBe(1);
  });

  it('names what an update waits for, and makes space for it of what others left', async () => {
    const fault = { code: 'not_enough_space', message: 'It needs 2 GiB.', retry: 'later' };
    const update = { version: '2.0.0', state: 'downloading', since: '2026-01-01T00:00:00.000Z', fault };
    let models = [{ model: 'air', previous: [], quarantined: [], update }] as unknown as ReportedModel[];
    const before: number[] = [];
    const { health, clock, codes } = await watch({
      updates: {
        report: () => models,
        pinned: () => new Set(['x']),
      } as unknown as HealthWatchProps['updates'],
      download: { dropLeftovers: async (_pinned, beforeMs) => void before.push(beforeMs) },
    });
    await health.check();
    expect(codes()).toEqual(['update_waits']);
    models = [{ model: 'air', previous: [], quarantined: [] }];
    await health.check();
    expect(codes()).toEqual([]);
    expect(before).toEqual([Number.POSITIVE_INFINITY, clock.now() - 86_400_000]);
  });

  it('names an update that stands still, and a certificate before it ends', async () => {
    const update = {
      version: '2.0.0',
      state: 'downloading',
      since: '2026-01-01T00:00:00.000Z',
      bytesHave: 5,
    };
    const models = [{ model: 'air', previous: [], quarantined: [], update }] as unknown as ReportedModel[];
    const { health, clock, codes } = await watch({
      updates: {
        report: () => models,
        pinned: () => new Set(['x']),
      } as unknown as HealthWatchProps['updates'],
    });
    await health.check();
    expect(codes()).toEqual([]);
    clock.advance(16 * 60_000);
    await health.check();
    expect(codes()).toEqual(['update_stuck']);
    clock.advance(10 * day);
    await health.check();
    expect(codes()).toContain('certificate_ends');
  });
});
