import { describe, expect, it } from 'vitest';
import { BatchSize } from '../../../../hub/inbox/batch-size.ts';
import { FairQueue } from '../../../../hub/inbox/fair-queue.ts';
import { limits } from '../../../../shared/base/limits.ts';

const all = { countMax: 1_000, bytesMax: 1_000_000 };
const entry = (text: string, bytes = 1) => ({ queue: text[0]!, text, bytes });
const texts = (entries: readonly { text: string }[]) => entries.map(({ text }) => text).join(' ');

function queueOf(...entries: string[]) {
  const queue = new FairQueue<ReturnType<typeof entry>>();
  for (const text of entries) queue.push(entry(text));
  return queue;
}

describe('FairQueue', () => {
  it('serves one of each queue in turn, each queue in its order', () => {
    expect(texts(queueOf('a1', 'a2', 'a3', 'b1', 'b2', 'c1', 'c2').take(all))).toBe('a1 b1 c1 a2 b2 c2 a3');
  });

  it('continues with the next queue where it stopped, so that a late arrival is not last', () => {
    const queue = queueOf('a1', 'a2', 'a3', 'a4');
    expect(texts(queue.take({ ...all, countMax: 2 }))).toBe('a1 a2');
    queue.push(entry('b1'));
    expect(texts(queue.take({ ...all, countMax: 2 }))).toBe('b1 a3');
    expect(queue.size).toBe(1);
  });

  it('lets single entries pass longer queues, three for one of theirs, so that neither starves', () => {
    const queue = queueOf('a1', 'a2', 'b1', 'b2', 'c1', 'd1', 'e1', 'f1', 'g1');
    expect(texts(queue.take(all))).toBe('c1 d1 e1 a1 f1 g1 b1 a2 b2');
  });

  it('treats a queue that was longer as such until it is empty', () => {
    const queue = queueOf('a1', 'a2', 'b1', 'b2');
    expect(texts(queue.take({ ...all, countMax: 2 }))).toBe('a1 b1');
    queue.push(entry('c1'));
    queue.push(entry('b3'));
    expect(texts(queue.take(all))).toBe('c1 a2 b2 b3');
    queue.push(entry('a3'));
    queue.push(entry('b4'));
    queue.push(entry('b5'));
    expect(texts(queue.take(all))).toBe('a3 b4 b5');
    expect(queue.size).toBe(0);
  });

  it('stops when there is enough by bytes, and serves one that is larger than that', () => {
    const queue = queueOf();
    for (const text of ['a1', 'b1', 'c1']) queue.push(entry(text, 60));
    expect(texts(queue.take({ ...all, bytesMax: 100 }))).toBe('a1 b1');
    expect(texts(queue.take({ ...all, bytesMax: 1 }))).toBe('c1');
    expect(queue.size).toBe(0);
  });

  it('puts entries back before later ones of their queue, and serves the others first', () => {
    const queue = queueOf('a1', 'a2', 'a3', 'b1', 'b2');
    const taken = queue.take({ ...all, countMax: 1 });
    queue.push(entry('c1'));
    queue.putBack(taken);
    expect(queue.size).toBe(6);
    expect(texts(queue.take(all))).toBe('c1 b1 a1 b2 a2 a3');
    const [single] = queueOf('d1').take(all);
    queue.push(entry('d2'));
    queue.putBack([single!]);
    expect(texts(queue.take(all))).toBe('d1 d2');
    expect(queue.size).toBe(0);
  });

  it('removes a whole queue', () => {
    const queue = queueOf('a1', 'b1', 'a2');
    expect(texts(queue.remove('a'))).toBe('a1 a2');
    expect(texts(queue.remove('a'))).toBe('');
    expect(queue.size).toBe(1);
  });
});

describe('BatchSize', () => {
  it('grows while full batches are fast, within its bound, and shrinks when they are slow, not below the minimum for a group', () => {
    const size = new BatchSize();
    const first = size.count;
    size.wrote(1, 0);
    expect(size.count).toBe(first);
    for (let n = 0; n < 20; n += 1) size.wrote(size.count, 1);
    expect(size.count).toBe(limits.inboxBatchEntriesMax);
    for (let n = 0; n < 20; n += 1) size.wrote(size.count, 1_000);
    expect(size.count).toBeGreaterThan(1);
    expect(size.count).toBeLessThan(first);
  });

  it('adapts within two batches when entries take ten times as long as those before', () => {
    const size = new BatchSize();
    for (let n = 0; n < 20; n += 1) size.wrote(size.count, 9);
    expect(size.count).toBe(limits.inboxBatchEntriesMax);
    const write = () => {
      const ms = size.count * 0.25;
      size.wrote(size.count, ms);
      return ms;
    };
    expect([write(), write(), write()]).toEqual([125, 31.25, 10]);
  });
});
