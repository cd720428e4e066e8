import { describe, expect, it } from 'vitest';
import { breakingChanges, type ModelInterface } from '../../../../shared/inference/interface-changes.ts';
import type { TensorSpec } from '../../../../shared/inference/tensor.ts';

const x: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 8] };
const y: TensorSpec = { name: 'y', datatype: 'FP32', shape: [-1, 1] };
const before: ModelInterface = { inputs: [x], outputs: [y] };

const changes = (after: Partial<ModelInterface>, from: Partial<ModelInterface> = {}) =>
  breakingChanges({ ...before, ...from }, { ...before, ...after });

describe('breaking changes of an interface', () => {
  it('are none between a version and one with the same interface', () => {
    expect(changes({})).toEqual([]);
    expect(changes({ inputs: [y, x] }, { inputs: [x, y] })).toEqual([]);
  });

  it('names an input that was renamed as one gone and one new', () => {
    expect(changes({ inputs: [{ ...x, name: 'features' }] })).toEqual([
      'input "x" is gone',
      'input "features" is new, and no client sends it',
    ]);
  });

  it('names what became of a datatype and of a shape', () => {
    expect(changes({ inputs: [{ ...x, datatype: 'FP64' }] })).toEqual(['input "x" was FP32 and is FP64']);
    expect(changes({ inputs: [{ ...x, shape: [1, 8] }] })).toEqual([
      'input "x" had shape [?, 8] and has [1, 8]',
    ]);
    expect(changes({ inputs: [{ ...x, shape: [-1, 9] }] })).toHaveLength(1);
    expect(changes({ inputs: [{ ...x, shape: [-1, 8, 1] }] })).toHaveLength(1);
  });

  it('lets an input take more than it did', () => {
    expect(changes({ inputs: [{ ...x, shape: [-1, -1] }] })).toEqual([]);
    expect(changes({}, { inputs: [{ ...x, shape: [1, 8] }] })).toEqual([]);
  });

  it('names an output that is gone, or is of another type or shape, and lets others join', () => {
    expect(changes({ outputs: [{ ...y, name: 'score' }] })).toEqual(['output "y" is gone']);
    expect(changes({ outputs: [{ ...y, datatype: 'FP16' }] })).toEqual(['output "y" was FP32 and is FP16']);
    expect(changes({ outputs: [{ ...y, shape: [-1, -1] }] })).toHaveLength(1);
    expect(changes({ outputs: [y, { ...y, name: 'score' }] })).toEqual([]);
  });

  it('names a class that has another name at its place, and lets classes join at the end', () => {
    expect(changes({ classes: ['dog', 'cat'] }, { classes: ['cat', 'dog'] })).toEqual([
      'class 0 was "cat" and is "dog"',
    ]);
    expect(changes({ classes: ['cat'] }, { classes: ['cat', 'dog'] })).toEqual([
      'class 1 was "dog" and is no longer named',
    ]);
    expect(changes({ classes: ['cat', 'dog', 'owl'] }, { classes: ['cat', 'dog'] })).toEqual([]);
    expect(changes({ classes: ['cat', 'dog'] })).toEqual([]);
  });

  it('names a unit that became another', () => {
    expect(changes({ units: { CO: 'ppm' } }, { units: { CO: 'mg/m³', T: '°C' } })).toEqual([
      '"CO" was in mg/m³ and is in ppm',
    ]);
  });

  it('is not misled by names that every object inherits', () => {
    const odd = { ...x, name: 'constructor' };
    expect(changes({ inputs: [odd] })).toHaveLength(2);
    expect(changes({ units: {} }, { units: JSON.parse('{"__proto__": "m", "toString": "s"}') })).toEqual([]);
  });
});
