import { type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { closed } from '../../../../hub/http/closed-schema.ts';

const Point = Type.Object({ x: Type.Number() });
const point = { x: 1 };
const wrong = { x: 1, xx: 2 };

describe('closed()', () => {
  it.each<[string, TSchema, unknown, unknown]>([
    ['a map', Type.Record(Type.String(), Point), { a: point }, { a: wrong }],
    [
      'a map with keys of one kind',
      Type.Record(Type.String({ pattern: '^[a-z]$' }), Point),
      { a: point },
      { A: point },
    ],
    [
      'a map within an object',
      Type.Object({ m: Type.Record(Type.String(), Point) }),
      { m: { a: point } },
      { m: { a: wrong } },
    ],
    ['a list', Type.Array(Point), [point], [wrong]],
    ['a tuple', Type.Tuple([Point, Type.String()]), [point, ''], [wrong, '']],
    ['a choice', Type.Union([Point, Type.Null()]), point, wrong],
    [
      'an object whose other fields have a schema',
      Type.Object({}, { additionalProperties: Point }),
      { a: point },
      { a: wrong },
    ],
    ['an object that names no fields', Type.Object({}), {}, { a: 1 }],
  ])('allows no unknown fields in %s', (_what, schema, good, bad) => {
    expect(Value.Check(closed(schema), good)).toBe(true);
    expect(Value.Check(closed(schema), bad)).toBe(false);
  });

  it('keeps open what has to be', () => {
    expect(Value.Check(closed(Type.Object({}, { additionalProperties: true })), wrong)).toBe(true);
  });

  it('refuses what it cannot close', () => {
    expect(() => closed(Type.Intersect([Point, Type.Object({ y: Type.Number() })]))).toThrow('allOf');
    expect(() => closed(Type.Unsafe({ oneOf: [Point] }))).toThrow('oneOf');
  });
});
