import { describe, expect, it } from 'vitest';
import { excerpt } from '../../../../shared/base/excerpt.ts';

describe('excerpt()', () => {
  it.each<readonly [unknown, string]>([
    [undefined, 'nothing'],
    [null, 'null'],
    [[Number.POSITIVE_INFINITY, Number.NaN], '[Infinity,NaN]'],
    ['a"b', '"a\\"b"'],
    [2n ** 64n, '"18446744073709551616"'],
    [[1, [true], { a: 'x', b: [] }], '[1,[true],{"a":"x","b":[]}]'],
    [new Uint8Array(9), '9 bytes'],
  ])('quotes %o as its JSON', (value, text) => {
    expect(excerpt(value)).toBe(text);
  });

  it('cuts what is longer', () => {
    expect(excerpt('x'.repeat(1_000))).toBe(`"${'x'.repeat(79)}…`);
    expect(excerpt(Array.from({ length: 1_000 }, () => 7))).toMatch(/^\[(7,){39}7…$/);
  });

  it('does not show a hidden field, however deep', () => {
    const text = excerpt([{ a: { token: 'hidden-1' } }], { hidden: /token$/ });
    expect(text).toBe('[{"a":{"token":"not shown"}}]');
  });

  it('looks at no more than it quotes, in any direction', () => {
    let reads = 0;
    const wide = new Proxy([] as number[], {
      get: (target, key) => {
        reads += 1;
        return key === 'length' ? 20_000_000 : typeof key === 'string' ? 1 : Reflect.get(target, key);
      },
    });
    expect(excerpt(wide)).toHaveLength(81);
    expect(reads).toBeLessThan(200);
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i += 1) deep = i % 2 === 0 ? [deep] : { a: deep };
    expect(excerpt(deep)).toHaveLength(81);
  });
});
