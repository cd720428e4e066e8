import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { RetainedMessages } from '../../../../hub/broker/retained-messages.ts';

const level = fc.constantFrom('', 'a', 'b', 'c', '$x', 'constructor', '__proto__');
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
const filter = fc
  .tuple(
    fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '/#'),
  )
  .map(([names, end]) => names.join('/') + end);

/** The words of section 4.7, one topic at a time. */
function matches(filterText: string, topicText: string): boolean {
  if (topicText.startsWith('$') && /^[+#]/.test(filterText)) return false;
  const [wanted, names] = [filterText.split('/'), topicText.split('/')];
  for (const [at, name] of wanted.entries()) {
    if (name === '#') return true;
    if (at >= names.length || (name !== '+' && name !== names[at])) return false;
  }
  return wanted.length === names.length;
}

describe('retained messages', () => {
  it('are found by exactly the filters that match their topics, whatever was removed before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(topic, fc.boolean()), { maxLength: 30 }),
        fc.oneof(filter, fc.constant('#')),
        (steps, wanted) => {
          const retained = new RetainedMessages<string>();
          const kept = new Set<string>();
          for (const [name, isKept] of steps) {
            if (isKept) retained.set(name, name);
            else retained.delete(name);
            if (isKept) kept.add(name);
            else kept.delete(name);
          }
          const expected = [...kept].filter((name) => matches(wanted, name));
          expect([...retained.matching(wanted)].sort()).toEqual(expected.sort());
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('are replaced by a later one on the same topic', () => {
    const retained = new RetainedMessages<string>();
    retained.set('a/b', 'old');
    retained.set('a/b', 'new');
    expect([...retained.matching('a/+')]).toEqual(['new']);
  });

  it.each(['mf/1/d/dev-5/desired', 'mf/1/d/dev-5/chunk/+', 'mf/1/trust/+'])(
    'are looked up by %s with the same work among ten devices and among ten thousand',
    (wanted) => {
      const work = [10, 10_000].map((devices) => {
        const retained = new RetainedMessages<string>();
        for (let n = 0; n < devices; n += 1) retained.set(`mf/1/d/dev-${n}/desired`, 'x');
        for (const role of ['root', 'snapshot']) retained.set(`mf/1/trust/${role}`, role);
        const looked = vi.spyOn(Map.prototype, 'get');
        const walked = vi.spyOn(Map.prototype, Symbol.iterator);
        const found = [...retained.matching(wanted)].length;
        const steps = looked.mock.calls.length;
        // Every level that was walked through, and how many were in it.
        const wide = walked.mock.contexts.reduce<number>(
          (sum, map) => sum + (map as Map<string, unknown>).size,
          0,
        );
        looked.mockRestore();
        walked.mockRestore();
        return { found, steps, wide };
      });
      expect(work[1]).toEqual(work[0]);
      expect(work[0]!.steps).toBeLessThan(10);
    },
  );

  it('leave nothing behind when they are removed', () => {
    const retained = new RetainedMessages<string>();
    const levels = vi.spyOn(Map.prototype, 'delete');
    retained.set('a/b/c', 'x');
    retained.set('a/d', 'y');
    retained.delete('a/b/c');
    retained.delete('a/none');
    expect(levels.mock.calls.flat()).toEqual(['c', 'b']);
    levels.mockRestore();
    expect([...retained.matching('#')]).toEqual(['y']);
  });
});
