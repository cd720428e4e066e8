import { expect, it } from 'vitest';
import { countText } from '../../../cli/count-text.ts';
import { share, wholeNumber } from '../../../cli/flag-values.ts';

it('a whole number is taken within its range, and refused with flag, value and range', () => {
  expect(wholeNumber('7', '--uses', { min: 1, max: 10 })).toBe(7);
  for (const text of ['', 'x', '1.5', '-1', '0', '11', '1e1', '0x2']) {
    expect(() => wholeNumber(text, '--uses', { min: 1, max: 10 })).toThrow(
      `Cannot read --uses "${text}": expected a whole number from 1 to 10.`,
    );
  }
});

it('a share is the number that was written, in percent or not, and refused where it could mean either', () => {
  expect(
    ['99.9%', '99.99%', '0.07%', '7%', '0.999', '1', '0'].map((text) => share(text, '--target')),
  ).toEqual([0.999, 0.9999, 0.0007, 0.07, 0.999, 1, 0]);
  for (const text of ['', 'x', '5', '101%', '-1%', '1e-2', '%']) {
    expect(() => share(text, '--target')).toThrow(`Cannot read --target "${text}"`);
  }
});

it('one thing is not several', () => {
  expect([0, 1, 2].map((count) => countText(count, 'device'))).toEqual([
    '0 devices',
    '1 device',
    '2 devices',
  ]);
});
