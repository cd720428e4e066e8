import { describe, expect, it } from 'vitest';
import { parseStatus } from '../../../../cli/commands/rollout-answers.ts';
import { rolloutText } from '../../../../cli/commands/rollout-text.ts';

const answer = {
  id: 'r-0011223344aa',
  model: 'iris',
  version: '2.0.0',
  status: 'running',
  phase: 1,
  phases: 1,
  createdAt: 0,
  createdBy: 'token:ops',
  target: 1,
  phaseList: [{ size: '100 %', devices: 1, state: 'current' }],
  counts: { succeeded: 1, removed: 1 },
  devices: [],
  verdicts: [],
};

describe('the status of a rollout', () => {
  it('is shown when one of its devices was removed, which is in no phase', () => {
    const status = parseStatus({ ...answer, devices: [{ device: 'bench-1', status: 'removed', since: 0 }] });
    expect(rolloutText(status, 0).join('\n')).toContain('1 removed');
  });

  it('that does not fit is a fault of the answer, not of what was asked', () => {
    expect(() => parseStatus({ ...answer, phases: 'all' })).toThrow(
      expect.objectContaining({
        code: 'hub_answer_unreadable',
        message: expect.stringMatching(/^Cannot read the answer of the hub: \/phases /),
      }),
    );
  });
});
