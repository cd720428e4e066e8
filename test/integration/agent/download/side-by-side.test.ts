import { describe, expect, it, vi } from 'vitest';
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

describe('downloads side by side', () => {
  const other = 'b'.repeat(64);
  const [half, rest] = [digests.slice(0, 10), digests.slice(10)];

  it('one that nobody answers, or that the hub refuses for good, holds up none of the others', async () => {
    const giveUp = new AbortController();
    const { fetcher } = await makeFetcher((request, to) => {
      if (request.manifest === manifest) return;
      serve(request, to);
    });
    const stalled = fetcher.fetch(manifest, half, giveUp.signal);
    await fetcher.fetch(other, rest, never);
    giveUp.abort(new Error('given up'));
    await expect(stalled).rejects.toThrow('given up');

    const refusing = await makeFetcher((request, to) => {
      if (request.manifest === manifest) refuse(to, request, { code: 'not_offered' });
      else serve(request, to);
    });
    const refused = refusing.fetcher.fetch(manifest, half, never);
    await Promise.all([
      expect(refused).rejects.toMatchObject({ code: 'version_not_offered' }),
      refusing.fetcher.fetch(other, rest, never),
    ]);
  });

  it('share the line: a short one that comes later does not wait for a long one to end', async () => {
    const arrived: string[] = [];
    const queue: (() => void)[] = [];
    const { fetcher } = await makeFetcher((request, to) => {
      for (const digest of request.chunks) {
        queue.push(() => {
          arrived.push(request.manifest);
          to.receive(digest, blobs.get(digest)!);
        });
      }
    }, 10_000);
    let isOver = false;
    const line = (async () => {
      while (!isOver) {
        queue.shift()?.();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    const long = fetcher.fetch(manifest, digests.slice(0, 16), never);
    await vi.waitFor(() => expect(arrived.length).toBeGreaterThan(2), { interval: 1 });
    await fetcher.fetch(other, digests.slice(16), never);
    const before = arrived.lastIndexOf(other);
    expect(arrived.filter((one) => one === manifest).length).toBeLessThan(16);
    expect(before).toBeLessThan(16);
    await long;
    isOver = true;
    await line;
  });

  it('together never ask for more than the credit of the device, however many they are', async () => {
    let most = 0;
    const outstanding = new Map<string, number>();
    const { fetcher } = await makeFetcher((request, to) => {
      const add = (n: number) =>
        outstanding.set(request.manifest, (outstanding.get(request.manifest) ?? 0) + n);
      add(request.chunks.length);
      const counts = [...outstanding.values()];
      most = Math.max(
        most,
        counts.reduce((sum, n) => sum + n),
      );
      for (const digest of request.chunks) {
        setTimeout(() => {
          add(-1);
          to.receive(digest, blobs.get(digest)!);
        }, 1);
      }
    }, 10_000);
    await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        fetcher.fetch(String(i).repeat(64), digests.slice(i * 3, i * 3 + 3), never),
      ),
    );
    expect(most).toBe(limits.chunksInFlightPerDevice);
  });

  it('that wait for the same chunk are both served by it, and neither keeps the other awake', async () => {
    // Which of the two asks for what depends on the disk: in some rounds each waits for chunks the other has asked for.
    for (let round = 0; round < 30; round += 1) {
      const { fetcher, requests } = await makeFetcher(serve, 10_000);
      const began = performance.now();
      await Promise.all([fetcher.fetch(manifest, half, never), fetcher.fetch(other, half, never)]);
      expect(requests.flatMap(({ chunks }) => chunks)).toHaveLength(half.length);
      expect(performance.now() - began).toBeLessThan(10_000);
    }
  });
});
