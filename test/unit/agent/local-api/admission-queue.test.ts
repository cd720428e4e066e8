import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { AdmissionQueue } from '../../../../agent/local-api/admission-queue.ts';
import { limits } from '../../../../shared/base/limits.ts';

function makeQueue({ eachMs = 0, waitMsMax = 1_000 } = {}) {
  const queue = new AdmissionQueue({ eachMs: () => eachMs, waitMsMax });
  const entry = (url = '/v2/models/m/infer', complete = true) => {
    const request = { url, complete } as IncomingMessage;
    const response = new EventEmitter() as ServerResponse;
    const start = vi.fn();
    queue.enter(request, response, start);
    const bodyCame = async () => {
      const wait = vi.fn();
      void queue.takePlaceAgain(request, response).then(wait);
      await new Promise(setImmediate);
      return wait;
    };
    return { request, start, bodyCame, end: () => response.emit('close') };
  };
  return { queue, entry };
}

const started = (visits: readonly { start: { mock: { calls: unknown[] } } }[]) =>
  visits.filter(({ start }) => start.mock.calls.length > 0).length;

describe('AdmissionQueue', () => {
  it('lets so many requests of a model be worked on, the others in the order they came', () => {
    const { entry } = makeQueue();
    const first = Array.from({ length: limits.inferWorkedOnMax }, () => entry());
    const [next, last] = [entry(), entry()];
    expect(started(first)).toBe(limits.inferWorkedOnMax);
    expect(next.start).not.toHaveBeenCalled();
    first[3]!.end();
    first[3]!.end();
    expect(next.start).toHaveBeenCalledOnce();
    expect(last.start).not.toHaveBeenCalled();
    next.end();
    expect(last.start).toHaveBeenCalledOnce();
  });

  it('keeps one model from holding up another, or what is no inference', () => {
    const { entry } = makeQueue();
    for (let i = 0; i <= limits.inferWorkedOnMax; i += 1) entry('/v2/models/slow/versions/1.0.0/infer');
    expect(started([entry('/v2/models/slow/infer?x=1')])).toBe(0);
    expect(started([entry('/v2/models/other/infer'), entry('/v2/health/live'), entry('/metrics')])).toBe(3);
  });

  it('keeps who writes the path in another way in the same queue', () => {
    const { entry } = makeQueue();
    for (let i = 0; i < limits.inferWorkedOnMax; i += 1) entry('/v2/models/a%20b/infer');
    const others = [
      '/v2/models/%61%20b/infer',
      '/v2/models/a%20b/infer#x',
      'http://localhost/v2/models/a%20b/infer?x',
      '/v2/models/a%20b/versions/1.0.0%2Brc/infer',
    ].map((url) => entry(url));
    expect(started(others)).toBe(0);
    expect(started([entry('/v2/models/%zz/infer')])).toBe(1);
  });

  it('turns away at once who would wait too long, and in time who did', () => {
    const { queue, entry } = makeQueue({ eachMs: 10, waitMsMax: 700 });
    for (let i = 0; i < limits.inferWorkedOnMax; i += 1) entry();
    const waiting = Array.from({ length: 7 }, () => entry());
    const tooMany = entry();
    expect(started(waiting)).toBe(0);
    expect(queue.waitedInVainMs(tooMany.request)).toBeLessThan(100);
    expect(queue.waitedInVainMs(waiting[0]!.request)).toBeUndefined();
    expect(tooMany.start).toHaveBeenCalledOnce();
    queue.rejectLate(performance.now() + 600);
    expect(started(waiting)).toBe(0);
    queue.rejectLate(performance.now() + 800);
    expect(started(waiting)).toBe(7);
    expect(queue.waitedInVainMs(waiting[0]!.request)).toBeGreaterThan(700);
  });

  it('gives no turn to who has left, and none away to who still sends', async () => {
    const { entry } = makeQueue();
    const first = Array.from({ length: limits.inferWorkedOnMax }, () => entry('/v2/models/m/infer', false));
    const [gone, waiting] = [entry(), entry()];
    gone.end();
    await new Promise(setImmediate);
    expect(waiting.start).toHaveBeenCalledOnce();
    expect(gone.start).not.toHaveBeenCalled();
    for (const { end } of first) end();
    expect(started([entry()])).toBe(1);
  });

  it('lets no more be worked on when their bodies come after their heads', async () => {
    const { queue, entry } = makeQueue();
    const late = Array.from({ length: limits.inferWorkedOnMax + 3 }, () =>
      entry('/v2/models/m/infer', false),
    );
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(started(late)).toBe(late.length);
    const turns = await Promise.all(late.map(({ bodyCame }) => bodyCame()));
    expect(turns.map((turn) => turn.mock.calls.length)).toEqual([
      ...Array.from({ length: limits.inferWorkedOnMax }, () => 1),
      ...[0, 0, 0],
    ]);
    late[1]!.end();
    await Promise.resolve();
    expect(turns.at(-3)).toHaveBeenCalledOnce();
    late.at(-2)!.end();
    queue.rejectLate(performance.now() + 2_000);
    await Promise.resolve();
    expect(turns.at(-1)).toHaveBeenCalledOnce();
    expect(queue.waitedInVainMs(late.at(-1)!.request)).toBeGreaterThan(1_000);
    expect(turns.at(-2)).not.toHaveBeenCalled();
  });

  it('keeps the place of a request whose body came with its head', async () => {
    const { entry } = makeQueue();
    const first = Array.from({ length: limits.inferWorkedOnMax }, () => entry());
    const next = entry();
    expect(await first[0]!.bodyCame()).toHaveBeenCalledOnce();
    expect(next.start).not.toHaveBeenCalled();
  });
});
