/** Objectives of a model on a real device: what its requests leave of the error budget, through a hub that is killed on the way. */
import { expect, it } from 'vitest';
import type { SloStatus } from '../../shared/api/slos.ts';
import { model, SmallFleet } from '../support/small-fleet.ts';

it('requests on a device count against the objectives of its model, also after the hub was killed', async () => {
  const small = await SmallFleet.start(['line-1']);
  try {
    const { fleet } = small;
    const version = await small.publishNext();
    await small.ended(await small.rollOut(version));
    // No answer is so quick.
    const objectives = ['--availability', '99%', '--latency', '95%', '--latency-limit', '0.01ms'];
    await fleet.cli('slo', 'set', model, ...objectives, '--freshness', '90%', '--fresh-within', '1m');
    for (let request = 0; request < 20; request += 1) await small.infer('line-1');
    await small.settled(version);
    await small.restartHub();
    await small.allConnected();
    const show = async () => (await fleet.cli('slo', 'show', model)) as SloStatus;
    // The 20 requests, and one by which the device showed that it is settled.
    await expect.poll(async () => (await show()).budgets[0]!.all).toBe(21);

    const status = await show();
    expect(status).toMatchObject({ model, source: 'set', freshness: { devices: 1, fresh: 1, updating: 0 } });
    const [availability, latency] = status.budgets;
    expect(availability).toMatchObject({ objective: 'availability', bad: 0, left: 1 });
    expect(latency).toMatchObject({ objective: 'latency', all: 21, bad: 21 });
    // 1 / (1 − 0.95): every answer misses the limit.
    for (const { burnRate } of latency!.windows) expect(burnRate).toBeCloseTo(20, 9);
    // The same figure as telemetry shows.
    expect(await small.counted(version)).toBe(21);
  } finally {
    await small.stop();
  }
}, 120_000);
