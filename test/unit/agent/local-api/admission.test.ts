import { describe, expect, it } from 'vitest';
import { Admission } from '../../../../agent/local-api/admission.ts';
import { limits } from '../../../../shared/base/limits.ts';

const overloaded = expect.objectContaining({ code: 'overloaded', retryAfterMs: 1_000 });

describe('Admission', () => {
  it('holds a bounded number of requests', () => {
    const admission = new Admission();
    const tickets = Array.from({ length: limits.localRequestsMax }, () => admission.enter());
    expect(() => admission.enter()).toThrow(overloaded);
    tickets[0]!.release();
    tickets[0]!.release();
    admission.enter();
    expect(() => admission.enter()).toThrow(overloaded);
  });

  it('holds a bounded number of bytes for all, with space for small requests at any time', () => {
    const admission = new Admission();
    const [first, second, third, small] = Array.from({ length: 4 }, () => admission.enter());
    first!.take(limits.localBytesMax / 2);
    second!.take(limits.localBytesMax / 2);
    expect(() => third!.take(limits.localBytesMax / 4)).toThrow(overloaded);
    small!.take(limits.localBytesFree);
    first!.release();
    third!.take(limits.localBytesMax / 4);
    second!.release();
    third!.release();
    small!.release();
    const [again] = [admission.enter()];
    again.take(limits.localBytesMax);
  });

  it('counts what comes bit by bit', () => {
    const admission = new Admission();
    const [one, other] = [admission.enter(), admission.enter()];
    one.take(limits.localBytesMax - limits.localBytesFree);
    const parts = Array.from({ length: 64 }, () => 16 * 1024);
    expect(() => {
      for (const part of parts) other.take(part);
    }).toThrow(overloaded);
  });

  it('lets one request through that is larger than all may be together, when it is alone', () => {
    const admission = new Admission();
    const ticket = admission.enter();
    ticket.take(4 * limits.localBytesMax);
    expect(() => admission.enter().take(1_000_000)).toThrow(overloaded);
  });
});
