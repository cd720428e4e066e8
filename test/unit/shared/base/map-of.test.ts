import { Type } from 'typebox';
import { expect, it } from 'vitest';
import { mapOf } from '../../../../shared/base/map-of.ts';
import { parser } from '../../../../shared/base/parse.ts';

const parse = parser(mapOf(Type.Number(), { entriesMax: 2 }), 'map');

it('mapOf() takes plain keys', () => {
  expect(parse({ 'a b/ü': 1, __proto_: 2 })).toEqual({ 'a b/ü': 1, __proto_: 2 });
});

it.each([
  ['a wrong value', { a: 'x' }],
  ['a line break in a key', { 'a\nb': 'x' }],
  ['a line break in a key of a right value', { 'a\nb': 1 }],
  ['an empty key', { '': 1 }],
  ['a key that is too long', { ['k'.repeat(257)]: 1 }],
  ['too many entries', { a: 1, b: 2, c: 3 }],
])('mapOf() refuses %s', (_, value) => {
  expect(() => parse(value)).toThrow(expect.objectContaining({ code: 'bad_input' }));
});
