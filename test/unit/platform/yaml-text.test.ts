import { expect, it } from 'vitest';
import { formatYaml, parseYaml } from '../../../platform/yaml-text.ts';

it('formatYaml() says the same value, and has nothing in it that a terminal would act on', () => {
  const value = { list: [{ a: 1 }, { a: 1 }], 'k\u001b[2J': 'x\u202ey\nz', plain: 'two\nlines', yes: 'yes' };
  const text = formatYaml(value);
  expect(parseYaml(text)).toEqual(value);
  expect(text).toMatch(/^[\n\x20-\x7e]*$/);
});
