/** Alerts on a real database: what is stored of them, and that it is all or nothing. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { AlertService, type AlertServiceProps } from '../../../../hub/alerts/alert-service.ts';
import { AlertStore } from '../../../../hub/alerts/alert-store.ts';
import type { Observation } from '../../../../hub/alerts/observations.ts';
import { AuditLog } from '../../../../hub/audit/audit-log.ts';
import { openDatabase } from '../../../../hub/db/database.ts';
import type { AlertNotification } from '../../../../shared/api/alerts.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const actor = { name: 'eve', role: 'operator', address: '127.0.0.1' } as const;
const newest = { position: { columns: ['pending_at', 'id'], isDescending: true }, limit: 100 };
const known = () => false;

async function world(queue: Partial<AlertServiceProps['queue']> = {}) {
  const database = await openDatabase(join(await tempFolder(), 'hub.db'));
  onTestFinished(() => database.destroy());
  const clock = new ManualClock();
  const sent: AlertNotification[] = [];
  const store = new AlertStore(database);
  const alerts = new AlertService({
    store,
    queue: {
      add: async (notifications) => {
        sent.push(...notifications);
      },
      wake: () => undefined,
      ...queue,
    },
    audit: new AuditLog({ database, clock }),
    clock,
    random: Math.random,
  });
  const observe = (...observations: Observation[]) => alerts.observe({ observations, isUnknown: known });
  return { alerts, store, clock, sent, observe };
}

function observation(code: Observation['code'], holds: boolean | undefined, subject = 'air'): Observation {
  return { code, subject, holds, summary: `${subject}: ${code}` };
}

it('a notification that cannot be stored leaves the alert as it was, and is sent by the next evaluation', async () => {
  let isBroken = true;
  const sent: AlertNotification[] = [];
  const { observe, alerts } = await world({
    add: async (notifications) => {
      if (isBroken) throw new Error('disk full');
      sent.push(...notifications);
    },
  });
  await expect(observe(observation('receiver_failed', true))).rejects.toThrow('disk full');
  expect(await alerts.list(newest)).toEqual([]);
  isBroken = false;
  await observe(observation('receiver_failed', true));
  await observe(observation('receiver_failed', true));
  expect(sent).toHaveLength(1);
});

it('what fires of one subject in one evaluation is one notification', async () => {
  const { observe, sent } = await world();
  await observe(
    observation('availability_burns_fast', true),
    observation('latency_burns_fast', true),
    observation('latency_burns_fast', true, 'water'),
  );
  expect(sent.map(({ subject, alerts }) => [subject, alerts.map(({ code }) => code).sort()])).toEqual([
    ['air', ['availability_burns_fast', 'latency_burns_fast']],
    ['water', ['latency_burns_fast']],
  ]);
  expect(new Set(sent.map(({ id }) => id)).size).toBe(2);
});

it('an alert of which nothing is known stays as it is; one that is no longer observed is resolved', async () => {
  const { observe, alerts, clock, store } = await world();
  await observe(observation('availability_burns_fast', true));
  for (let minutes = 0; minutes < 30; minutes += 1) {
    clock.advance(60_000);
    await observe(observation('availability_burns_fast', undefined));
    await alerts.observe({ observations: [], isUnknown: ({ subject }) => subject === 'air' });
  }
  expect(await store.live()).toMatchObject([{ state: 'firing', clearSince: null }]);
  // Its objective was removed, or no device runs the model.
  await observe();
  clock.advance(5 * 60_000);
  await observe();
  expect(await alerts.list(newest)).toMatchObject([
    { state: 'resolved', summary: 'air: availability_burns_fast' },
  ]);
});

it('an alert that fires again soon after it was resolved is a new one that counts its recurrences', async () => {
  const { observe, alerts, clock } = await world();
  const spell = async (clearMinutes: number) => {
    await observe(observation('availability_burns_fast', true));
    await observe(observation('availability_burns_fast', false));
    clock.advance(clearMinutes * 60_000);
    await observe(observation('availability_burns_fast', false));
  };
  await spell(5);
  await spell(5);
  // The second must stay away for ten minutes.
  expect((await alerts.list(newest)).map(({ state, recurrences }) => [state, recurrences])).toEqual([
    ['firing', 1],
    ['resolved', 0],
  ]);
  clock.advance(5 * 60_000);
  await observe(observation('availability_burns_fast', false));
  expect((await alerts.list({ ...newest, state: 'resolved' })).length).toBe(2);
});

it('an alert is acknowledged once, by whoever was first, and only while it fires', async () => {
  const { observe, alerts, clock } = await world();
  await observe(observation('drift_found', true));
  const [pending] = await alerts.list(newest);
  await expect(alerts.acknowledge(pending!.id, actor)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('it is pending'),
  });
  clock.advance(15 * 60_000);
  await observe(observation('drift_found', true));
  await alerts.acknowledge(pending!.id, actor);
  const again = await alerts.acknowledge(pending!.id, { ...actor, name: 'bob' });
  expect(again).toMatchObject({ state: 'acknowledged', acknowledgedBy: 'token:eve' });
  await expect(alerts.acknowledge('a-000000000000', actor)).rejects.toMatchObject({ code: 'not_found' });
});

it('a silence that was made while the clock was ahead lasts as long as it was to', async () => {
  const { alerts, clock, store } = await world();
  const right = clock.now();
  clock.set(right + 86_400_000);
  await alerts.silence({ reason: 'a test', forMs: 3_600_000 }, actor);
  clock.set(right);
  expect(await store.clampFutureTimes(right)).toBe(1);
  expect(await store.silencesAt(right)).toMatchObject([{ createdAt: right, endsAt: right + 3_600_000 }]);
  expect(await store.clampFutureTimes(right)).toBe(0);
});

it('alerts, silences and their rows leave when they ended long ago', async () => {
  const { observe, alerts, clock, store } = await world();
  await observe(observation('availability_burns_fast', true));
  await alerts.silence({ reason: 'a test', forMs: 60_000 }, actor);
  await observe();
  clock.advance(10 * 60_000);
  await observe();
  await observe(observation('latency_burns_fast', true));
  const later = clock.now() + 1;
  expect(await store.endedBefore(later, 10)).toMatchObject({ count: 2 });
  expect(await store.endedBefore(later, 1)).toMatchObject({ count: 1 });
  expect(await store.removeEndedBefore(later, 10)).toBe(2);
  expect(await alerts.list(newest)).toMatchObject([{ code: 'latency_burns_fast' }]);
});

it('times of alerts that were stored while the clock was ahead become now when it is set back', async () => {
  const { observe, alerts, store, clock } = await world();
  const now = clock.now();
  const ahead = 365 * 86_400_000;
  clock.set(now + ahead);
  await observe(observation('availability_burns_fast', true), observation('receiver_failed', true));
  for (let minutes = 0; minutes < 30; minutes += 1) {
    await observe(observation('availability_burns_fast', true));
    clock.advance(60_000);
  }
  clock.set(now);
  expect(await store.clampFutureTimes(now)).toBe(2);
  for (const alert of await alerts.list(newest)) {
    const { pendingAt, firedAt, resolvedAt = now } = alert;
    expect([pendingAt, firedAt, resolvedAt]).toEqual([now, now, now]);
  }
  expect(await store.clampFutureTimes(now)).toBe(0);
});
