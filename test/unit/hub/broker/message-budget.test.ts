import { describe, expect, it } from 'vitest';
import { MessageBudget, MessageBudgets } from '../../../../hub/broker/message-budget.ts';
import { limits } from '../../../../shared/base/limits.ts';

describe('MessageBudget', () => {
  it('lets so many messages through at once, and then so many a second', () => {
    const budget = new MessageBudget(0);
    for (let n = 0; n < limits.deviceMessagesAtOnceMax; n += 1) {
      expect(budget.waitMs(0)).toBe(0);
      budget.spend(1, 0);
    }
    const waitMs = budget.waitMs(0);
    expect(waitMs).toBe(1_000 / limits.deviceMessagesPerSecondMax);
    expect(budget.waitMs(waitMs)).toBe(0);
    budget.spend(1, waitMs);
    expect(budget.waitMs(waitMs)).toBeGreaterThan(0);
  });

  it('counts bytes beside messages, and lets what is over be paid back', () => {
    const budget = new MessageBudget(0);
    budget.spend(limits.deviceBytesAtOnceMax + limits.deviceBytesPerSecondMax, 0);
    expect(budget.waitMs(0)).toBe(1_000);
    expect(budget.waitMs(1_000)).toBe(0);
  });

  it('saves up no more than a burst, and does not mind a clock that stands still', () => {
    const budget = new MessageBudget(0);
    expect(budget.isFull(1e9)).toBe(true);
    for (let n = 0; n < limits.deviceMessagesAtOnceMax; n += 1) budget.spend(1, 1e9);
    expect(budget.waitMs(1e9 - 5)).toBeGreaterThan(0);
  });
});

describe('MessageBudgets', () => {
  it('keeps the budget of a device over its connections, and remembers no more devices than have one', () => {
    const budgets = new MessageBudgets();
    const first = budgets.of('spent', 0);
    first.spend(limits.deviceBytesAtOnceMax * 100, 0);
    for (let n = 0; n < 5_000; n += 1) budgets.of(`d-${n}`, 1_000);
    expect(budgets.of('spent', 1_000)).toBe(first);
    expect(budgets.size).toBeLessThan(2_100);
  });
});
