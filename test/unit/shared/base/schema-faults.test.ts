import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { closed } from '../../../../hub/http/closed-schema.ts';
import { mapOf } from '../../../../shared/base/map-of.ts';
import { schemaFaults } from '../../../../shared/base/schema-faults.ts';

const Plan = closed(
  Type.Object({
    model: Type.String({ maxLength: 8 }),
    group: Type.Optional(Type.String()),
    gates: Type.Optional(Type.Object({ maxErrorRate: Type.Optional(Type.Number({ maximum: 1 })) })),
    phases: Type.Optional(
      Type.Array(
        Type.Union([
          Type.Object({ percent: Type.Number({ maximum: 100 }) }),
          Type.Object({ devices: Type.Integer() }),
        ]),
        { maxItems: 4 },
      ),
    ),
    onFailure: Type.Optional(Type.Union([Type.Literal('pause'), Type.Literal('roll-back')])),
    act: Type.Optional(Type.Union([Type.Object({ keep: Type.Optional(Type.Boolean()) }), Type.Null()])),
    labels: Type.Optional(mapOf(Type.Integer(), { entriesMax: 3, keys: '^[a-z]+$' })),
  }),
);
const texts = (value: unknown) =>
  schemaFaults(Plan, value, 5).map(({ path, message }) => `${path} ${message}`);

describe('schemaFaults()', () => {
  it.each<readonly [unknown, readonly string[]]>([
    [5, [' must be an object']],
    [[], [' must be an object']],
    [{}, [' lacks "model"']],
    [{ model: 'far too long' }, ['/model must not have more than 8 characters']],
    [{ model: 'm', grup: 'lab' }, ['/grup is not a known field; did you mean "group"?']],
    [
      { model: 'm', gates: { maxErorRate: 0.1 } },
      ['/gates/maxErorRate is not a known field; did you mean "maxErrorRate"?'],
    ],
    [{ model: 'm', gates: { colour: 1 } }, ['/gates/colour is not a known field; known are maxErrorRate']],
    [{ model: 'm', gates: { maxErrorRate: 2 } }, ['/gates/maxErrorRate must be <= 1']],
    [{ model: 'm', act: { keeep: true } }, ['/act/keeep is not a known field; did you mean "keep"?']],
    [{ model: 'm', act: { keep: 'yes' } }, ['/act/keep must be true or false']],
    [{ model: 'm', phases: [{ devices: 1 }, { percent: 101 }] }, ['/phases/1/percent must be <= 100']],
    [{ model: 'm', phases: new Array(5).fill(0) }, ['/phases must not have more than 4 items']],
    [{ model: 'm', onFailure: 'stop' }, ['/onFailure must be one of pause, roll-back']],
    [{ model: 'm', labels: { a: 1, b: 'x' } }, ['/labels/b must be a whole number']],
    [{ model: 'm', labels: { 'A/b': 1 } }, ['/labels/A~1b is not a known field']],
    [
      JSON.parse('{"model":"m","__proto__":1}'),
      ['/__proto__ is not a known field; known are model, group, gates, phases, onFailure, act, labels'],
    ],
    [
      JSON.parse('{"model":"m","gates":{"constructor":1}}'),
      ['/gates/constructor is not a known field; known are maxErrorRate'],
    ],
  ])('names where %j does not fit, and what is wanted', (value, wanted) => {
    expect(texts(value)).toEqual(wanted);
  });

  it('names what is missing of one of several schemas that a value must all fit', () => {
    const both = Type.Intersect([Type.Object({ a: Type.String() }), Type.Object({ b: Type.String() })]);
    expect(schemaFaults(both, { a: 'x' }, 5)).toMatchObject([{ path: '', message: 'lacks "b"' }]);
  });

  it('finds nothing wrong with what fits', () => {
    expect(texts({ model: 'm', act: null, phases: [{ percent: 1 }], labels: { a: 1 } })).toEqual([]);
  });

  it('looks at no more of a million wrong entries than it tells of', () => {
    let reads = 0;
    const entries = new Proxy([] as unknown[], {
      has: () => true,
      get: (target, key) => {
        if (key === 'length') return 1_000_000;
        if (typeof key === 'symbol') return Reflect.get(target, key);
        if (/^\d+$/.test(key)) reads += 1;
        return Number.isNaN(Number(key)) ? Reflect.get(target, key) : 1;
      },
    });
    const schema = Type.Object({ providers: Type.Array(Type.String()) });
    expect(schemaFaults(schema, { providers: entries }, 5)).toHaveLength(5);
    expect(reads).toBeLessThan(50);
  });

  it('does not look into a list that is too long', () => {
    const schema = Type.Array(Type.String(), { maxItems: 16 });
    const faults = schemaFaults(schema, new Array(1_000).fill(1), 5);
    expect(faults.map(({ message }) => message)).toEqual(['must not have more than 16 items']);
  });

  it('finds one wrong entry behind many that fit', () => {
    const schema = Type.Array(Type.Integer());
    const entries = new Array<unknown>(200_000).fill(7).concat('x');
    expect(schemaFaults(schema, entries, 5)).toMatchObject([{ path: '/200000', value: 'x' }]);
  });

  it('quotes no more than the beginning of a name', () => {
    const [fault] = schemaFaults(Plan, { model: 'm', ['x'.repeat(1_000_000)]: 1 }, 5);
    expect(fault!.path.length).toBeLessThan(400);
  });
});
