import { describe, expect, it } from 'vitest';
import { isJsonShallow } from '../../../../shared/base/json-depth.ts';

const isShallow = (text: string) => isJsonShallow(Buffer.from(text), 3);

describe('isJsonShallow()', () => {
  it('counts brackets that are open at once', () => {
    expect(isShallow('[[[]],[[]],{"a":{"b":1}}]')).toBe(true);
    expect(isShallow('[[[[]]]]')).toBe(false);
    expect(isShallow('{"a":{"b":{"c":{}}}}')).toBe(false);
  });

  it('takes no bracket of a string for one', () => {
    expect(isShallow('["[[[[[[{{{{","\\"[[[[[[","\\\\",[]]')).toBe(true);
    expect(isShallow('["\\\\",[[[]]]]')).toBe(false);
  });

  it('comes to an end with bytes that are not JSON', () => {
    for (const text of ['', '"', '"\\', ']]]', '["[[[[']) expect(isShallow(text)).toBe(true);
  });
});
