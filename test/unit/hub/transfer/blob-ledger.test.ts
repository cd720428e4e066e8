import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { BlobLedger } from '../../../../hub/transfer/blob-ledger.ts';

describe('BlobLedger', () => {
  it('lets nobody store a blob before its file has gone, though another could not be deleted', async () => {
    const files = new Set(['a', 'b']);
    const slow = Promise.withResolvers<void>();
    const rows = new Map([...files].map((sha256) => [sha256, { sha256, bytes: 1, unreferencedSince: 0 }]));
    const ledger = new BlobLedger({
      store: {
        transaction: (work: (tx: never) => Promise<unknown>) => work(undefined as never),
        due: async () => [...rows.values()],
        removeDue: async () => {
          const gone = [...rows.values()];
          rows.clear();
          return gone;
        },
        known: async () => new Set(rows.keys()),
        totals: async () => [],
        add: async ([row]: { sha256: string; bytes: number }[]) =>
          void rows.set(row!.sha256, { ...row!, unreferencedSince: 1 }),
      } as never,
      blobs: {
        delete: async (digest: string) => {
          if (digest === 'a') throw new Error('EIO');
          await slow.promise;
          files.delete(digest);
        },
        put: async (digest: string) => void files.add(digest),
        has: async (digest: string) => files.has(digest),
      } as never,
      clock: { now: () => 1 },
      namedBy: async () => new Set(),
      quotas: { uploadMaxPerTokenBytes: 9e9, uploadMaxBytes: 9e9, storageMaxBytes: 9e9, uploadKeptMs: 1 },
    });
    const removing = ledger.removeDue(0).then(
      () => 'removed',
      (error: Error) => error.message,
    );
    await vi.waitFor(() => expect(rows.size).toBe(0));
    const putting = ledger.put('b', new Uint8Array(1), 'ci');
    await nextTurn();
    slow.resolve();
    await putting;
    expect(await removing).toBe('EIO');
    await nextTurn();
    expect(files.has('b')).toBe(true);
  });
});
