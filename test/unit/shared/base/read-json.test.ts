import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { readJson } from '../../../../shared/base/read-json.ts';

const read = (text: string, uniqueNames = false) =>
  readJson(Buffer.from(text), 'the file', { bytesMax: 1_000_000, uniqueNames });

describe('readJson()', () => {
  it.each([
    ['{"a":1,"a":2}', '"a" is given twice'],
    ['{"a":{"b":1,"c":[],"b":2}}', '"b" is given twice'],
    ['[{"a":1},{"x":"}{","\\u0061":1,"a":2}]', '"a" is given twice'],
    ['{"__proto__":{"role":"admin"}}', '"__proto__" is no name of a field'],
    ['{"a":{"\\u005f_proto__":1}}', '"__proto__" is no name of a field'],
  ])('refuses %s where names are to be unique', (text, why) => {
    expect(() => read(text, true)).toThrow(
      expect.objectContaining({ code: 'bad_input', message: `Cannot read the file: ${why}.` }),
    );
    expect(() => read(text)).not.toThrow();
  });

  it('takes the same name in different objects, and texts that look like names', () => {
    const text = '{"a":[{"a":1},{"a":"\\"a\\":1,\\"a\\":2"}],"b":{"a":{"b":0}},"":0}';
    expect(read(text, true)).toEqual(JSON.parse(text));
  });

  it('says of deep nesting that it is deep, whether or not it is JSON', () => {
    const deep = '['.repeat(limits.jsonDepthMax + 1);
    expect(() => read(deep, true)).toThrow(/levels deep/);
    expect(() => read('['.repeat(3), true)).toThrow(/not JSON/);
  });
});
