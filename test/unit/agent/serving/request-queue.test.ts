import { describe, expect, it, vi } from 'vitest';
import { RequestQueue } from '../../../../agent/serving/request-queue.ts';
import { AppError } from '../../../../shared/base/app-error.ts';

/** Work that ends when it is told to. */
function heldWork() {
  const { promise, resolve } = Promise.withResolvers<string>();
  return { work: vi.fn(() => promise), finish: resolve };
}

describe('RequestQueue', () => {
  it('hands over no more at once than its width, in order', async () => {
    const queue = new RequestQueue({ width: 2, waitingMax: 8, waitMsMax: 1_000 });
    const held = [heldWork(), heldWork(), heldWork(), heldWork()];
    const answers = held.map(({ work }) => queue.run(work));
    expect(held.map(({ work }) => work.mock.calls.length)).toEqual([1, 1, 0, 0]);
    expect(queue.size).toBe(4);
    held[1]!.finish('b');
    await answers[1];
    await vi.waitFor(() => expect(held[2]!.work).toHaveBeenCalled());
    expect(held[3]!.work).not.toHaveBeenCalled();
    for (const { finish } of held) finish('done');
    await queue.idle();
    expect(await Promise.all(answers)).toEqual(['done', 'b', 'done', 'done']);
    expect(queue.size).toBe(0);
  });

  it('turns away what comes when too many wait', async () => {
    const queue = new RequestQueue({ width: 1, waitingMax: 1, waitMsMax: 1_000 });
    const held = heldWork();
    const taken = [queue.run(held.work), queue.run(async () => 'second')];
    await expect(queue.run(async () => 'third')).rejects.toMatchObject({ code: 'overloaded' });
    held.finish('first');
    expect(await Promise.all(taken)).toEqual(['first', 'second']);
  });

  it('turns away what waited too long, and gives its place to nobody', async () => {
    const queue = new RequestQueue({ width: 1, waitingMax: 2, waitMsMax: 20 });
    const held = heldWork();
    const first = queue.run(held.work);
    const late = vi.fn(async () => 'late');
    await expect(queue.run(late)).rejects.toMatchObject({ code: 'inference_timeout' });
    held.finish('first');
    await first;
    expect(late).not.toHaveBeenCalled();
    expect(await queue.run(async () => 'next')).toBe('next');
  });

  it('passes its place on when work fails, and can turn away all that wait', async () => {
    const queue = new RequestQueue({ width: 1, waitingMax: 4, waitMsMax: 1_000 });
    const failed = queue.run(() => Promise.reject(new Error('broken')));
    const second = queue.run(async () => 'second');
    await expect(failed).rejects.toThrow('broken');
    expect(await second).toBe('second');
    const held = heldWork();
    const running = queue.run(held.work);
    const waiting = queue.run(async () => 'never');
    queue.refuseWaiting(new AppError('model_not_ready', 'Gone.'));
    await expect(waiting).rejects.toMatchObject({ code: 'model_not_ready' });
    held.finish('kept');
    expect(await running).toBe('kept');
    await queue.idle();
  });

  it('hands over more at once where each takes next to nothing, and few where each is long', async () => {
    const queue = new RequestQueue({ width: 2, widthMax: 8, waitingMax: 64, waitMsMax: 1_000 });
    for (let i = 0; i < 50; i += 1) await queue.run(async () => i);
    const held = Array.from({ length: 12 }, heldWork);
    const answers = held.map(({ work }) => queue.run(work));
    expect(held.filter(({ work }) => work.mock.calls.length > 0)).toHaveLength(8);
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const { finish } of held) finish('done');
    await Promise.all(answers);
    for (let i = 0; i < 3; i += 1) {
      await queue.run(() => new Promise((resolve) => setTimeout(resolve, 40)));
    }
    const later = Array.from({ length: 4 }, heldWork);
    const last = later.map(({ work }) => queue.run(work));
    expect(later.filter(({ work }) => work.mock.calls.length > 0)).toHaveLength(2);
    for (const { finish } of later) finish('done');
    await Promise.all(last);
  });

  it('turns away at once what by the pace so far would wait too long', async () => {
    const queue = new RequestQueue({ width: 1, waitingMax: 64, waitMsMax: 100 });
    await queue.run(() => new Promise((resolve) => setTimeout(resolve, 60)));
    const held = heldWork();
    const running = [queue.run(held.work), queue.run(async () => 'a'), queue.run(async () => 'b')];
    await expect(queue.run(async () => 'c')).rejects.toMatchObject({ code: 'overloaded' });
    held.finish('first');
    expect(await Promise.all(running)).toEqual(['first', 'a', 'b']);
  });

  it('lets who gives up while waiting go, and keeps the place of what runs', async () => {
    const queue = new RequestQueue({ width: 1, waitingMax: 4, waitMsMax: 1_000 });
    const held = heldWork();
    const running = queue.run(held.work);
    const caller = new AbortController();
    const never = vi.fn(async () => 'never');
    const waiting = queue.run(never, caller.signal);
    caller.abort(new Error('gave up'));
    await expect(waiting).rejects.toThrow('gave up');
    expect(queue.size).toBe(1);
    held.finish('kept');
    expect(await running).toBe('kept');
    expect(never).not.toHaveBeenCalled();
  });
});
