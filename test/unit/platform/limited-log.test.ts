import { describe, expect, it } from 'vitest';
import { LimitedLog, lineEveryMs, linesPerMinuteMax } from '../../../platform/limited-log.ts';
import { loggedLines } from '../../support/logged.ts';

function limitedLog() {
  const { logger, lines } = loggedLines();
  const time = { now: 0 };
  return { log: new LimitedLog({ logger, monotonic: () => time.now }), lines, time };
}

describe('LimitedLog', () => {
  it('writes the first line of a subject at once, and later how many it left out', () => {
    const { log, lines, time } = limitedLog();
    for (let n = 0; n < 10_000; n += 1) {
      log.warn('dev', { device: 'dev', n }, 'refused');
      time.now += 1;
    }
    expect(lines).toMatchObject([{ level: 40, device: 'dev', n: 0, msg: 'refused' }]);
    expect(lines[0]).not.toHaveProperty('leftOut');
    time.now += lineEveryMs;
    log.warn('dev', { device: 'dev', n: 10_000 }, 'refused');
    expect(lines).toMatchObject([{ n: 0 }, { n: 10_000, leftOut: 9_999 }]);
  });

  it('writes no more than a line a minute of a subject that goes on for ever', () => {
    const { log, lines, time } = limitedLog();
    for (; time.now < 10 * lineEveryMs; time.now += 1_000) log.error('dev', {}, 'failed');
    expect(lines).toHaveLength(10);
  });

  it('tells subjects and messages apart', () => {
    const { log, lines } = limitedLog();
    for (let n = 0; n < 100; n += 1) log.warn('loud', {}, 'refused');
    log.warn('quiet', {}, 'refused');
    log.info('loud', {}, 'closed');
    expect(lines.map(({ msg }) => msg)).toEqual(['refused', 'refused', 'closed']);
  });

  it('bounds the lines of a message that many subjects cause, and counts the others', () => {
    const { log, lines, time } = limitedLog();
    for (let n = 0; n < 100_000; n += 1) log.warn(`dev-${n}`, {}, 'refused');
    log.warn('dev', {}, 'another message');
    expect(lines).toHaveLength(linesPerMinuteMax + 1);
    time.now += lineEveryMs;
    log.warn('dev', {}, 'refused');
    expect(lines.at(-1)).toMatchObject({ leftOutOfOthers: 100_000 - linesPerMinuteMax });
  });

  it('remembers a bounded number of subjects', () => {
    const { log } = limitedLog();
    for (let n = 0; n < 10_000; n += 1) log.warn(`dev-${n}`, {}, 'refused');
    expect(log.size).toBeLessThanOrEqual(2_000);
  });
});
