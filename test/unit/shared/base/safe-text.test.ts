import { expect, it } from 'vitest';
import { shorten } from '../../../../shared/base/safe-text.ts';

it('shorten() leaves no half of an emoji behind', () => {
  expect(shorten('ab😀cd', 6)).toBe('ab😀cd');
  expect(shorten('ab😀cd', 5)).toBe('ab😀…');
  expect(shorten('ab😀cd', 4)).toBe('ab…');
  expect(shorten('ab😀cd', 3)).toBe('ab…');
});
