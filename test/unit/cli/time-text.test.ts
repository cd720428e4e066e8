import { describe, expect, it } from 'vitest';
import { timeText } from '../../../cli/time-text.ts';

describe('timeText()', () => {
  const ms = Date.UTC(2026, 10, 22, 0, 39, 2, 481);

  it('gives the minute in UTC and says so', () => expect(timeText(ms)).toBe('2026-11-22 00:39Z'));
  it('gives seconds where asked', () => expect(timeText(ms, 'second')).toBe('2026-11-22 00:39:02Z'));
});
