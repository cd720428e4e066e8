import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AuditEvent } from '../../../../hub/audit/audit-event.ts';
import type { Expirable } from '../../../../hub/retention/expirable.ts';
import { Retention } from '../../../../hub/retention/retention.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { countTurns } from '../../../support/loop-turns.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const DAY_MS = 86_400_000;
const actor = { name: 'admin', role: 'admin', address: '127.0.0.1' } as const;

/** Things that leave a day after they came, two in a pass. */
class Things implements Expirable {
  readonly kind: string;
  readonly rule = 'older than 1d';
  readonly #stored: number[];
  readonly #passes: string[];

  constructor(kind: string, stored: readonly number[], passes: string[] = []) {
    this.kind = kind;
    this.#stored = [...stored].sort((a, b) => a - b);
    this.#passes = passes;
  }

  get left(): number {
    return this.#stored.length;
  }

  async find(now: number, limit: number) {
    const due = this.#due(now);
    const counted = due.slice(0, limit);
    return {
      count: counted.length,
      bytes: counted.length * 10,
      isMore: counted.length < due.length,
      oldestAt: due[0],
    };
  }

  async removeSome(now: number) {
    this.#passes.push(this.kind);
    const due = this.#due(now);
    const gone = this.#stored.splice(0, Math.min(2, due.length)).length;
    return { count: gone, bytes: gone * 10, isMore: due.length > gone };
  }

  #due(now: number): number[] {
    return this.#stored.filter((at) => at <= now - DAY_MS);
  }
}

function retaining(kinds: readonly Expirable[]) {
  const clock = new ManualClock(10 * DAY_MS);
  const audited: AuditEvent[] = [];
  const retention = new Retention({
    kinds,
    clock,
    audit: { append: async (event) => void audited.push(event) },
    logger: pino({ level: 'silent' }),
  });
  onTestFinished(() => retention.close());
  return { retention, clock, audited };
}

const failing = (error: unknown): Expirable => ({
  kind: 'stuck',
  rule: 'never',
  find: () => Promise.reject(error),
  removeSome: () => Promise.reject(error),
});

describe('Retention', () => {
  it('says what would leave and changes nothing', async () => {
    const events = new Things('events', [DAY_MS, 2 * DAY_MS, 9.5 * DAY_MS]);
    const { retention, audited } = retaining([events]);
    expect(await retention.preview()).toEqual([
      { kind: 'events', rule: 'older than 1d', count: 2, bytes: 20, isMore: false, oldestAt: DAY_MS },
    ]);
    expect(events.left).toBe(3);
    expect(audited).toEqual([]);
  });

  it('lets leave all that may, kinds by turns, and the audit log says who asked and what left', async () => {
    const passes: string[] = [];
    const events = new Things('events', [1, 2, 3, 4, 5], passes);
    const uploads = new Things('uploads', [1, 2, 3, 9.9 * DAY_MS], passes);
    const { retention, audited } = retaining([events, uploads, new Things('rollouts', [], passes)]);
    const reports = await retention.collect(actor);
    expect(reports.map(({ kind, count, bytes, isMore }) => [kind, count, bytes, isMore])).toEqual([
      ['events', 5, 50, false],
      ['uploads', 3, 30, false],
      ['rollouts', 0, 0, false],
    ]);
    expect(passes).toEqual(['events', 'uploads', 'rollouts', 'events', 'uploads', 'events']);
    expect([events.left, uploads.left]).toEqual([0, 1]);
    expect(audited).toMatchObject([
      {
        actor: 'token:admin',
        action: 'retention.collected',
        details: { events: { count: 5, bytes: 50 }, uploads: { count: 3, bytes: 30 } },
      },
    ]);
    expect(retention.removed.get('events')).toEqual({ count: 5, bytes: 50 });
  });

  it('keeps the trouble of one kind to that kind', async () => {
    const events = new Things('events', [1]);
    const { retention } = retaining([failing(new AppError('disk_error', 'Cannot read.')), events]);
    expect(await retention.preview()).toMatchObject([{ failed: 'disk_error', count: 0 }, { count: 1 }]);
    expect(await retention.collect(actor)).toMatchObject([
      { kind: 'stuck', failed: 'disk_error', isMore: false },
      { kind: 'events', count: 1 },
    ]);
    const { retention: other } = retaining([failing(new Error('a defect'))]);
    expect(await other.collect(actor)).toMatchObject([{ failed: 'internal' }]);
  });

  it('lets everybody else go on between its passes', async () => {
    const { retention } = retaining([
      new Things(
        'events',
        Array.from({ length: 100 }, () => 1),
      ),
    ]);
    expect(await countTurns(() => retention.collect(actor))).toBeGreaterThan(50);
  });

  it('ends a request after its time and says that there is more', async () => {
    const endless: Expirable = {
      kind: 'endless',
      rule: 'never empty',
      find: async () => ({ count: 1, bytes: 1, isMore: true }),
      removeSome: async () => ({ count: 1, bytes: 1, isMore: true }),
    };
    const { retention } = retaining([endless]);
    const time = vi.spyOn(performance, 'now');
    onTestFinished(() => time.mockRestore());
    let now = 0;
    time.mockImplementation(() => {
      now += limits.retentionRequestMs / 10;
      return now;
    });
    expect(await retention.collect(actor)).toMatchObject([{ kind: 'endless', isMore: true }]);
  });

  it('ends with the pass under way when the hub stops, also a collection that somebody asked for', async () => {
    let passes = 0;
    const slow: Expirable = {
      kind: 'slow',
      rule: 'one by one',
      find: async () => ({ count: 1, bytes: 1, isMore: true }),
      removeSome: async () => {
        passes += 1;
        await wait(5);
        return { count: 1, bytes: 1, isMore: true };
      },
    };
    const { retention } = retaining([slow]);
    const asked = retention.collect(actor);
    await vi.waitFor(() => expect(passes).toBeGreaterThan(0));
    await retention.close();
    const atEnd = passes;
    expect(await asked).toMatchObject([{ isMore: true, count: atEnd }]);
    await nextTurn();
    expect(passes).toBe(atEnd);
  });

  it('answers an operator while it has much to do by itself, and goes on with that', async () => {
    let passes = 0;
    const much: Expirable = {
      kind: 'much',
      rule: 'more than leaves in a request',
      find: async () => ({ count: 1, bytes: 1, isMore: true }),
      removeSome: async () => {
        passes += 1;
        return { count: 1, bytes: 1, isMore: true };
      },
    };
    const { retention, clock } = retaining([much]);
    const time = vi.spyOn(performance, 'now');
    onTestFinished(() => time.mockRestore());
    let now = 0;
    time.mockImplementation(() => {
      now += limits.retentionRequestMs / 10;
      return now;
    });
    retention.start();
    await vi.waitFor(() => expect(clock.sleeping).toBe(1));
    clock.advance(limits.retentionClockHeldMs);
    await vi.waitFor(() => expect(passes).toBeGreaterThan(0));
    expect(await retention.collect(actor)).toMatchObject([{ kind: 'much', isMore: true }]);
    const answered = passes;
    await vi.waitFor(() => expect(passes).toBeGreaterThan(answered));
  });

  it('lets things leave by itself every minute, and none for an hour after a start and after the clock was set', async () => {
    const passes: string[] = [];
    const events = new Things('events', [9.5 * DAY_MS], passes);
    const { retention, clock } = retaining([events]);
    retention.start();
    const asleep = () => vi.waitFor(() => expect(clock.sleeping).toBe(1));
    const minute = async () => {
      const before = passes.length;
      clock.advance(limits.retentionEveryMs);
      await nextTurn();
      await asleep();
      return passes.length - before;
    };
    await asleep();
    expect(await minute()).toBe(0);
    clock.advance(limits.retentionClockHeldMs);
    await vi.waitFor(() => expect(passes).toHaveLength(1));
    await asleep();
    expect(await minute()).toBe(1);
    clock.set(40 * DAY_MS);
    expect(await minute()).toBe(0);
    expect(events.left).toBe(1);
    clock.advance(limits.retentionClockHeldMs);
    await vi.waitFor(() => expect(events.left).toBe(0));
  });
});
