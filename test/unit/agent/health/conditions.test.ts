import { describe, expect, it } from 'vitest';
import { Conditions } from '../../../../agent/health/conditions.ts';

describe('Conditions', () => {
  it('are news once, also when the reason is too long to be told whole', () => {
    let changes = 0;
    const conditions = new Conditions(() => (changes += 1));
    for (let look = 0; look < 3; look += 1) conditions.set('update_waits', 'long '.repeat(1_000));
    expect(changes).toBe(1);
    const [{ text } = { text: '' }] = conditions.list();
    expect(text).toHaveLength(2_000);
    expect(text.endsWith('…')).toBe(true);
  });
});
