import { describe, expect, it, vi } from 'vitest';
import type { Clock } from '../../../../shared/base/clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import {
  blobs,
  digests,
  makeFetcher,
  manifest,
  never,
  refuse,
  serve,
} from '../../../support/chunk-fetching.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

describe('ChunkFetcher', () => {
  it('writes a line for a hub that sends a thousand answers that mean nothing', async () => {
    const { fetcher, lines } = await makeFetcher(serve);
    for (let n = 0; n < 1_000; n += 1) fetcher.receiveError(Buffer.from('{'));
    expect(lines).toMatchObject([{ msg: 'chunk error message was not understood' }]);
  });

  it('asks no faster than it may download', async () => {
    const bytes = [...blobs.values()].reduce((sum, blob) => sum + blob.byteLength, 0);
    const { fetcher } = await makeFetcher(serve, 10_000, bytes / 0.5);
    const started = performance.now();
    await fetcher.fetch(manifest, digests, never);
    // The last credit is not waited for: it has come.
    const share = (digests.length - limits.chunksInFlightPerDevice) / digests.length;
    expect(performance.now() - started).toBeGreaterThan(0.9 * share * 500);
  });

  it('fetches everything and never asks for more than its credit', async () => {
    let outstanding = 0;
    let most = 0;
    const { fetcher, store } = await makeFetcher(({ chunks }, to) => {
      outstanding += chunks.length;
      most = Math.max(most, outstanding);
      for (const digest of chunks) {
        setTimeout(() => {
          outstanding -= 1;
          to.receive(digest, blobs.get(digest)!);
        }, 1);
      }
    });
    await fetcher.fetch(manifest, digests, never);
    expect(digests.every((digest) => store.has(digest))).toBe(true);
    expect(most).toBe(limits.chunksInFlightPerDevice);
  });

  it('asks only for chunks it does not have, in this life or from one before', async () => {
    const { fetcher, store, requests } = await makeFetcher(serve);
    for (const digest of digests.slice(0, 15)) await store.put(digest, blobs.get(digest)!);
    await fetcher.fetch(manifest, digests, never);
    expect(requests.flatMap(({ chunks }) => chunks).sort()).toEqual(digests.slice(15).sort());
  });

  it('asks again for chunks that did not come', async () => {
    const lost = new Set(digests.slice(0, 2));
    const { fetcher, store } = await makeFetcher((request, to) => {
      const chunks = request.chunks.filter((digest) => !lost.delete(digest));
      serve({ ...request, chunks }, to);
    });
    await fetcher.fetch(manifest, digests, never);
    expect(store.has(digests[0]!)).toBe(true);
  });

  it('waits as long as a busy hub says, and counts it as no failure', async () => {
    let refusals = 12;
    const times: number[] = [];
    const { fetcher } = await makeFetcher((request, to) => {
      times.push(performance.now());
      refusals -= 1;
      if (refusals >= 0) refuse(to, request, { code: 'busy', retryAfterMs: 20 });
      else serve(request, to);
    });
    await fetcher.fetch(manifest, digests, never);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(19);
  });

  it('waits for chunks that stand in line at the hub, and asks for none of them again before the hub says', async () => {
    const clock = new ManualClock();
    const answerMs = 100;
    const { fetcher, requests } = await makeFetcher(
      (request, to) => {
        if (requests.length === 1) refuse(to, request, { code: 'queued', retryAfterMs: 60_000 });
        else serve(request, to);
      },
      answerMs,
      0,
      clock,
    );
    const fetched = fetcher.fetch(manifest, digests, never);
    const pass = async (ms: number) => {
      for (let left = ms; left > 0; left -= 1_000) {
        await new Promise((resolve) => setImmediate(resolve));
        clock.advance(Math.min(1_000, left));
      }
    };
    expect(fetcher.queuedSince(manifest)).toBeUndefined();
    const queuedAt = clock.now();
    await pass(59_000);
    expect(requests).toHaveLength(1);
    expect(fetcher.queuedSince(manifest)).toBe(queuedAt);
    expect(requests[0]).toMatchObject({ queue: true });
    // The hub calls: what it sends is taken, and the rest is asked for at once.
    const [first, ...others] = requests[0]!.chunks;
    fetcher.receive(first!, blobs.get(first!)!);
    expect(fetcher.queuedSince(manifest)).toBeUndefined();
    await pass(500);
    expect(requests).toHaveLength(1);
    // The others have not come by the time the hub said.
    let isWhole = false;
    void fetched.then(() => {
      isWhole = true;
    });
    await vi.waitFor(
      async () => {
        await pass(1_000);
        expect(isWhole).toBe(true);
      },
      { timeout: 20_000, interval: 5 },
    );
    expect(requests[1]!.chunks).toEqual(expect.arrayContaining(others));
    expect(requests.slice(1).flatMap(({ chunks }) => chunks)).not.toContain(first);
  });

  it('does not say that it stands in line when it asked again and the hub said nothing', async () => {
    const clock = new ManualClock();
    const { fetcher, requests } = await makeFetcher(
      (request, to) => {
        if (requests.length === 1) refuse(to, request, { code: 'queued', retryAfterMs: 60_000 });
      },
      100,
      0,
      clock,
    );
    const giveUp = new AbortController();
    const fetched = fetcher.fetch(manifest, digests, giveUp.signal);
    await vi.waitFor(() => expect(fetcher.queuedSince(manifest)).toBe(clock.now()));
    clock.advance(60_000);
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    expect(fetcher.queuedSince(manifest)).toBeDefined();
    await vi.waitFor(() => {
      clock.advance(limits.chunkSilenceMsMax);
      expect(fetcher.queuedSince(manifest)).toBeUndefined();
    });
    giveUp.abort(new Error('enough'));
    await expect(fetched).rejects.toThrow('enough');
  });

  it('takes the time that chunks stood in line for no sign of a slow line', async () => {
    const clock = new ManualClock();
    const { fetcher, requests } = await makeFetcher(
      (request, to) => {
        if (requests.length === 1) refuse(to, request, { code: 'queued', retryAfterMs: 600_000 });
      },
      100,
      0,
      clock,
    );
    const giveUp = new AbortController();
    const fetched = fetcher.fetch(manifest, digests, giveUp.signal);
    await vi.waitFor(() => expect(fetcher.queuedSince(manifest)).toBeDefined());
    clock.advance(300_000);
    for (const digest of requests[0]!.chunks) fetcher.receive(digest, blobs.get(digest)!);
    await vi.waitFor(() => expect(requests.length).toBeGreaterThan(1));
    // A line that takes five minutes for a chunk would be asked for one at a time.
    await vi.waitFor(() =>
      expect(requests.slice(1).reduce((sum, { chunks }) => sum + chunks.length, 0)).toBe(
        limits.chunksInFlightPerDevice,
      ),
    );
    giveUp.abort(new Error('enough'));
    await expect(fetched).rejects.toThrow('enough');
  });

  it('goes on at once when a pause ends between two readings of the clock', async () => {
    let now = 0;
    let longest = 0;
    const clock: Clock = {
      now: () => now,
      monotonic: () => ++now,
      async sleep(ms, signal) {
        longest = Math.max(longest, ms);
        await new Promise((resolve) => setImmediate(resolve));
        if (!signal?.aborted) now += ms;
      },
    };
    let refusals = 12;
    const { fetcher } = await makeFetcher(
      (request, to) => {
        refusals -= 1;
        if (refusals >= 0) refuse(to, request, { code: 'busy', retryAfterMs: refusals });
        else serve(request, to);
      },
      1_000,
      0,
      clock,
    );
    await fetcher.fetch(manifest, digests, never);
    expect(longest).toBeLessThanOrEqual(1_000);
  });

  it('stores no chunk that does not fit its digest, and gives up after several', async () => {
    const { fetcher, store } = await makeFetcher((request, to) => {
      for (const digest of request.chunks)
        setImmediate(() => to.receive(digest, Buffer.from('something else')));
    });
    await expect(fetcher.fetch(manifest, digests, never)).rejects.toMatchObject({
      code: 'chunk_digest_mismatch',
    });
    expect(digests.some((digest) => store.has(digest))).toBe(false);
  });

  it('takes one bad chunk among good ones as an accident', async () => {
    let bad = 1;
    const { fetcher, store } = await makeFetcher((request, to) => {
      for (const digest of request.chunks) {
        bad -= 1;
        const bytes = bad >= 0 ? Buffer.from('x') : blobs.get(digest)!;
        setImmediate(() => to.receive(digest, bytes));
      }
    });
    await fetcher.fetch(manifest, digests, never);
    expect(digests.every((digest) => store.has(digest))).toBe(true);
  });

  it('stores no chunk it has not asked for', async () => {
    const { fetcher, store } = await makeFetcher(serve);
    fetcher.receive(digests[0]!, blobs.get(digests[0]!)!);
    await fetcher.fetch(manifest, [digests[1]!], never);
    fetcher.receive(digests[0]!, blobs.get(digests[0]!)!);
    expect(store.has(digests[0]!)).toBe(false);
  });

  it('gives up a chunk the hub lacks, and a version it does not offer', async () => {
    const lacking = await makeFetcher((request, to) =>
      refuse(to, request, { code: 'missing', retryAfterMs: 1 }),
    );
    await expect(lacking.fetcher.fetch(manifest, digests, never)).rejects.toMatchObject({
      code: 'chunk_missing',
    });
    const closed = await makeFetcher((request, to) =>
      refuse(to, request, { code: 'not_offered', retryAfterMs: 1 }),
    );
    await expect(closed.fetcher.fetch(manifest, digests, never)).rejects.toMatchObject({
      code: 'version_not_offered',
    });
  });

  it('waits while there is no connection, and asks anew on the next one', async () => {
    const { fetcher, transport, requests, store } = await makeFetcher((request, to) => {
      if (requests.length > 1) serve(request, to);
    }, 60_000);
    const fetched = fetcher.fetch(manifest, digests, never);
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    const isReady = vi.fn(() => false);
    Object.defineProperty(transport, 'isReady', { get: isReady });
    fetcher.linkChanged();
    // It would have asked: it has found out that it cannot.
    await vi.waitFor(() => expect(isReady).toHaveBeenCalled());
    expect(requests).toHaveLength(1);
    isReady.mockReturnValue(true);
    fetcher.linkChanged();
    await fetched;
    expect(store.has(digests[0]!)).toBe(true);
  });

  it('ends when its caller gives up', async () => {
    const { fetcher } = await makeFetcher(() => undefined);
    const stop = new AbortController();
    const fetched = fetcher.fetch(manifest, digests, stop.signal);
    stop.abort(new Error('enough'));
    await expect(fetched).rejects.toThrow('enough');
  });

  it('takes an error message it does not understand as noise', async () => {
    const { fetcher } = await makeFetcher(serve);
    const fetched = fetcher.fetch(manifest, digests, never);
    fetcher.receiveError(Buffer.from('garbage'));
    await fetched;
  });
});
