import { ChunkFetcher } from '../../agent/download/chunk-fetcher.ts';
import { ChunkStore } from '../../agent/download/chunk-store.ts';
import { systemClock } from '../../platform/system-clock.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { ChunkRequest } from '../../shared/protocol/chunk-transfer.ts';
import { loggedLines } from './logged.ts';
import { digestOf } from './packed-version.ts';
import { tempFolder } from './temp-folder.ts';

export const blobs = new Map(
  Array.from({ length: 20 }, (_, i) => Buffer.from(`chunk ${i}`)).map((b) => [digestOf(b), b]),
);
export const digests = [...blobs.keys()];
export const manifest = 'a'.repeat(64);
export const never = new AbortController().signal;

/** A fetcher whose hub is the given function. */
export async function makeFetcher(
  hub: (request: ChunkRequest, fetcher: ChunkFetcher) => unknown,
  answerMs = 100,
  bytesPerSecondMax = 0,
  clock: Clock = systemClock,
) {
  const store = new ChunkStore(await tempFolder());
  await store.load();
  const requests: ChunkRequest[] = [];
  const transport = {
    isReady: true,
    bytesReceived: 0,
    async ask(request: ChunkRequest) {
      requests.push(request);
      await hub(request, fetcher);
    },
  };
  const { logger, lines } = loggedLines();
  const fetcher: ChunkFetcher = new ChunkFetcher({
    transport,
    store,
    clock,
    random: () => 0,
    logger,
    answerMs,
    bytesPerSecondMax: () => bytesPerSecondMax,
  });
  return { fetcher, store, transport, requests, lines };
}

export const serve = (request: ChunkRequest, fetcher: ChunkFetcher) => {
  for (const digest of request.chunks) setImmediate(() => fetcher.receive(digest, blobs.get(digest)!));
};
export const refuse = (fetcher: ChunkFetcher, request: ChunkRequest, error: object) =>
  setImmediate(() =>
    fetcher.receiveError(Buffer.from(JSON.stringify({ v: 1, request: request.request, ...error }))),
  );
