import { describe, expect, it } from 'vitest';
import { watchRollout } from '../../../../cli/commands/rollout-watch.ts';
import { StreamPrinter } from '../../../../cli/printer.ts';
import type { Rollout } from '../../../../shared/api/rollouts.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { rolloutAnswer } from '../../../support/api-answers.ts';

const running = rolloutAnswer();
const away = () => new AppError('hub_unreachable', 'Cannot reach the hub.');

/** Watches a hub that answers with each of `answers` in turn, the last one again and again. */
async function watch(answers: readonly (Rollout | Error)[], giveUpMs = 60_000) {
  const shown: string[] = [];
  let told = '';
  let looks = 0;
  const printer = new StreamPrinter({ format: 'table', out: () => undefined, err: (text) => (told += text) });
  const fetchStatus = async () => {
    const answer = answers[Math.min(looks, answers.length - 1)]!;
    looks += 1;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const code = await watchRollout({
    fetchStatus,
    show: ({ status }) => shown.push(status),
    printer,
    giveUpMs,
    pollMs: 1,
  });
  return { code, shown, told, looks };
}

describe('watchRollout()', () => {
  it('goes on watching over a time in which the hub does not answer, and says both', async () => {
    const { code, shown, told } = await watch([
      running,
      away(),
      away(),
      running,
      { ...running, status: 'completed' },
    ]);
    expect({ code, shown }).toEqual({ code: 0, shown: ['running', 'completed'] });
    expect(told.match(/Cannot reach the hub\. Trying again for 1m\./g)).toHaveLength(1);
    expect(told).toContain('The hub answers again.');
  });

  it('shows that the hub cannot advance the rollout, and that it can again', async () => {
    const stuck = { ...running, trouble: { since: 1, code: 'disk_full', message: 'the disk is full' } };
    const { shown } = await watch([running, stuck, stuck, running, { ...running, status: 'completed' }]);
    expect(shown).toEqual(['running', 'running', 'running', 'completed']);
  });

  it('looks again before its own time is over, however long the hub asks it to wait', async () => {
    const busy = new AppError('rate_limited', 'Too many.', { retryAfterMs: 86_400_000 });
    expect((await watch([running, busy, { ...running, status: 'completed' }], 20)).code).toBe(0);
  });

  it('waits as long as a hub that is too busy asks for', async () => {
    const busy = new AppError('rate_limited', 'Too many.', { retryAfterMs: 30 });
    const started = performance.now();
    expect((await watch([running, busy, { ...running, status: 'paused' }])).code).toBe(5);
    expect(performance.now() - started).toBeGreaterThan(25);
  });

  it('gives up on a hub that stays away', async () => {
    await expect(watch([running, away()], 20)).rejects.toMatchObject({ code: 'hub_unreachable' });
  });

  it('waits for a hub that is away when the watch begins', async () => {
    const { code, shown, told } = await watch([away(), { ...running, status: 'completed' }]);
    expect({ code, shown }).toEqual({ code: 0, shown: ['completed'] });
    expect(told).toContain('Cannot reach the hub.');
  });

  it('does not wait for what no repetition mends', async () => {
    await expect(watch([running, new AppError('unauthorized', 'No.')])).rejects.toMatchObject({
      code: 'unauthorized',
    });
  });

  it('follows a rollback to its end', async () => {
    const back = rolloutAnswer({ status: 'rolling-back' });
    expect((await watch([running, back, back, { ...running, status: 'rolled-back' }])).code).toBe(4);
  });
});
