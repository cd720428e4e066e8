import { describe, expect, it } from 'vitest';
import { parseJsonPath } from '../../../cli/json-path.ts';

const value = { models: [{ id: 'a', tags: { 'x.y': 1 } }, { id: 'b' }], next: null };
const select = (path: string) => parseJsonPath(path).select(value);

describe('parseJsonPath()', () => {
  it('selects names, indexes, all of a list, and names at any depth', () => {
    expect(select('{.models[*].id}')).toEqual(['a', 'b']);
    expect(select('$.models[-1].id')).toEqual(['b']);
    expect(select('models[0].id')).toEqual(['a']);
    expect(select("$.models[0].tags['x.y']")).toEqual([1]);
    expect(select('$..id')).toEqual(['a', 'b']);
    expect(select('$')).toEqual([value]);
  });

  it('selects nothing where the path leads nowhere, and no inherited property', () => {
    expect(select('.models[7].id')).toEqual([]);
    expect(select('.toString')).toEqual([]);
  });

  it('says where a path cannot be read', () => {
    expect(() => parseJsonPath('.models[?(@.id)]')).toThrow(/at "\[\?\(@\.id\)\]"/);
  });
});
