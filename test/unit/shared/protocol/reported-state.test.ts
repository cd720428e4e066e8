import { describe, expect, it } from 'vitest';
import { parseReportedState } from '../../../../shared/protocol/reported-state.ts';

const left = [
  { version: '2.0.0', until: '2026-01-02T00:00:00Z', reason: 'golden_mismatch_on_device: y is off' },
];
const facts = {
  agentVersion: '0.1.0',
  os: 'linux',
  arch: 'x64',
  cpus: 4,
  memoryBytes: 1,
  hostname: 'h',
  providers: [],
};
const rest = { at: '2026-01-01T00:00:00Z', sequence: 3, facts, freeBytes: 1, conditions: [] };
const parse = (value: unknown) => parseReportedState(Buffer.from(JSON.stringify(value)));

describe('parseReportedState()', () => {
  it('reads what an agent of version 1 called parked as quarantined', () => {
    const model = { model: 'air', previous: [], parked: left };
    const state = parse({ v: 1, ...rest, models: [model] });
    expect(state.v).toBe(2);
    expect(state.models).toEqual([{ model: 'air', previous: [], quarantined: left }]);
  });

  it('reads a report of version 2 as it is', () => {
    const state = { v: 2, ...rest, models: [{ model: 'air', previous: [], quarantined: left }] };
    expect(parse(state)).toEqual(state);
  });

  it('takes the old name in no report of version 2, and no version that it does not know', () => {
    const models = [{ model: 'air', previous: [], parked: left }];
    expect(() => parse({ v: 2, ...rest, models })).toThrow(/quarantined/);
    expect(() => parse({ v: 3, ...rest, models: [] })).toThrow(/version 3/);
  });
});
