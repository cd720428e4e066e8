import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { WaitingLine } from '../../../../agent/local-api/waiting-line.ts';
import { limits } from '../../../../shared/base/limits.ts';

function makeLine({ eachMs = 0, waitMsMax = 1_000 } = {}) {
  const line = new WaitingLine({ eachMs: () => eachMs, waitMsMax });
  const visit = (url = '/v2/models/m/infer', complete = true) => {
    const request = { url, complete } as IncomingMessage;
    const response = new EventEmitter() as ServerResponse;
    const start = vi.fn();
    line.enter(request, response, start);
    const bodyCame = async () => {
      const wait = vi.fn();
      void line.takePlaceAgain(request, response).then(wait);
      await new Promise(setImmediate);
      return wait;
    };
    return { request, start, bodyCame, end: () => response.emit('close') };
  };
  return { line, visit };
}

const started = (visits: readonly { start: { mock: { calls: unknown[] } } }[]) =>
  visits.filter(({ start }) => start.mock.calls.length > 0).length;

describe('WaitingLine', () => {
  it('lets so many requests of a model be worked on, the others in the order they came', () => {
    const { visit } = makeLine();
    const first = Array.from({ length: limits.inferWorkedOnMax }, () => visit());
    const [next, last] = [visit(), visit()];
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
    const { visit } = makeLine();
    for (let i = 0; i <= limits.inferWorkedOnMax; i += 1) visit('/v2/models/slow/versions/1.0.0/infer');
    expect(started([visit('/v2/models/slow/infer?x=1')])).toBe(0);
    expect(started([visit('/v2/models/other/infer'), visit('/v2/health/live'), visit('/metrics')])).toBe(3);
  });

  it('keeps who writes the path in another way in the same line', () => {
    const { visit } = makeLine();
    for (let i = 0; i < limits.inferWorkedOnMax; i += 1) visit('/v2/models/a%20b/infer');
    const others = [
      '/v2/models/%61%20b/infer',
      '/v2/models/a%20b/infer#x',
      'http://localhost/v2/models/a%20b/infer?x',
      '/v2/models/a%20b/versions/1.0.0%2Brc/infer',
    ].map((url) => visit(url));
    expect(started(others)).toBe(0);
    expect(started([visit('/v2/models/%zz/infer')])).toBe(1);
  });

  it('turns away at once who would wait too long, and in time who did', () => {
    const { line, visit } = makeLine({ eachMs: 10, waitMsMax: 700 });
    for (let i = 0; i < limits.inferWorkedOnMax; i += 1) visit();
    const waiting = Array.from({ length: 7 }, () => visit());
    const tooMany = visit();
    expect(started(waiting)).toBe(0);
    expect(line.waitedInVainMs(tooMany.request)).toBeLessThan(100);
    expect(line.waitedInVainMs(waiting[0]!.request)).toBeUndefined();
    expect(tooMany.start).toHaveBeenCalledOnce();
    line.look(performance.now() + 600);
    expect(started(waiting)).toBe(0);
    line.look(performance.now() + 800);
    expect(started(waiting)).toBe(7);
    expect(line.waitedInVainMs(waiting[0]!.request)).toBeGreaterThan(700);
  });

  it('gives no turn to who has left, and none away to who still sends', async () => {
    const { visit } = makeLine();
    const first = Array.from({ length: limits.inferWorkedOnMax }, () => visit('/v2/models/m/infer', false));
    const [gone, waiting] = [visit(), visit()];
    gone.end();
    await new Promise(setImmediate);
    expect(waiting.start).toHaveBeenCalledOnce();
    expect(gone.start).not.toHaveBeenCalled();
    for (const { end } of first) end();
    expect(started([visit()])).toBe(1);
  });

  it('lets no more be worked on when their bodies come after their heads', async () => {
    const { line, visit } = makeLine();
    const late = Array.from({ length: limits.inferWorkedOnMax + 3 }, () =>
      visit('/v2/models/m/infer', false),
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
    line.look(performance.now() + 2_000);
    await Promise.resolve();
    expect(turns.at(-1)).toHaveBeenCalledOnce();
    expect(line.waitedInVainMs(late.at(-1)!.request)).toBeGreaterThan(1_000);
    expect(turns.at(-2)).not.toHaveBeenCalled();
  });

  it('keeps the place of a request whose body came with its head', async () => {
    const { visit } = makeLine();
    const first = Array.from({ length: limits.inferWorkedOnMax }, () => visit());
    const next = visit();
    expect(await first[0]!.bodyCame()).toHaveBeenCalledOnce();
    expect(next.start).not.toHaveBeenCalled();
  });
});
