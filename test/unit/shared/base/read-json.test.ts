import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { readJson } from '../../../../shared/base/read-json.ts';

const read = (text: string, isRequest = false) =>
  readJson(Buffer.from(text), 'the file', { bytesMax: 1_000_000, isRequest });

describe('readJson()', () => {
  it.each([
    ['{"a":1,"a":2}', '"a" is given twice'],
    ['{"a":{"b":1,"c":[],"b":2}}', '"b" is given twice'],
    ['[{"a":1},{"x":"}{","\\u0061":1,"a":2}]', '"a" is given twice'],
    ['{"__proto__":{"role":"admin"}}', '"__proto__" is not allowed as the name of a field'],
    ['{"a":{"\\u005f_proto__":1}}', '"__proto__" is not allowed as the name of a field'],
  ])('refuses %s in a request', (text, why) => {
    expect(() => read(text, true)).toThrow(
      expect.objectContaining({ code: 'bad_input', message: `Cannot read the file: ${why}.` }),
    );
    expect(() => read(text)).not.toThrow();
  });

  it('takes the same name in different objects, and texts that look like names', () => {
    const text = '{"a":[{"a":1},{"a":"\\"a\\":1,\\"a\\":2"}],"b":{"a":{"b":0}},"":0}';
    expect(read(text, true)).toEqual(JSON.parse(text));
  });

  it('refuses more fields than any request has', () => {
    const fields = (count: number) =>
      `{${Array.from({ length: count }, (_, i) => `"k${i}":[{}]`).join(',')}}`;
    expect(Object.keys(read(fields(limits.requestNamesMax), true) as object)).toHaveLength(
      limits.requestNamesMax,
    );
    expect(() => read(fields(limits.requestNamesMax + 1), true)).toThrow(/more than 1000 fields/);
    expect(() => read(fields(limits.requestNamesMax + 1))).not.toThrow();
    // Whatever else is wrong: nobody decodes so many.
    const twice = `[{"a":1,"a":2},${fields(limits.requestNamesMax + 1)}`;
    expect(() => read(twice, true)).toThrow(/more than 1000 fields/);
  });

  it.each([
    '{"a":1,"a":}',
    '{"a":1,"a":2',
    '{"a":1 "a":2}',
    '{"__proto__":',
    '{:',
    ':',
    '{"a:1',
    '{"a\\":1}',
    ']:{',
    '{"\\q":1}',
  ])('says of %s in a request that it is no JSON', (text) => {
    expect(() => read(text, true)).toThrow(/not JSON/);
  });

  it('says of deep nesting that it is deep, whether or not it is JSON', () => {
    const deep = '['.repeat(limits.jsonDepthMax + 1);
    expect(() => read(deep, true)).toThrow(/levels deep/);
    expect(() => read('['.repeat(3), true)).toThrow(/not JSON/);
  });
});
