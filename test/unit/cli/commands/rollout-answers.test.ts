import { describe, expect, it } from 'vitest';
import { parseStatus } from '../../../../cli/commands/rollout-answers.ts';
import { rolloutText } from '../../../../cli/commands/rollout-text.ts';
import { rolloutAnswer } from '../../../support/api-answers.ts';

const answer = rolloutAnswer({ counts: { succeeded: 1, removed: 1 } });

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

  it('may have a status, a verdict and a field that only a newer hub knows', () => {
    const newer = parseStatus({
      ...answer,
      status: 'frozen',
      counts: { succeeded: 1, frosted: 2 },
      devices: [{ device: 'bench-1', status: 'frosted', since: 0 }],
      verdicts: [{ at: 0, phase: 1, verdict: 'wait', reasons: [] }],
      weather: { celsius: -3 },
    });
    expect(newer).toMatchObject({ weather: { celsius: -3 } });
    const text = rolloutText(newer, 0).join('\n');
    expect(text).toContain('frozen');
    expect(text).toContain('1 succeeded, 2 frosted');
    expect(text).toContain('verdict  wait');
  });
});
