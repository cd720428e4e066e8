import { describe, expect, it } from 'vitest';
import { IdentityWatch } from '../../../../hub/devices/identity-watch.ts';
import { limits } from '../../../../shared/base/limits.ts';

const a = { instance: 'aa', address: '10.0.0.1' };
const b = { instance: 'bb', address: '10.0.0.2' };

describe('IdentityWatch', () => {
  it('finds an agent that comes back after another one, and where both are', () => {
    const watch = new IdentityWatch();
    expect(watch.connected('d', a, 0)).toBeUndefined();
    expect(watch.connected('d', b, 1_000)).toBeUndefined();
    expect(watch.shared('d', 1_000)).toBeUndefined();
    expect(watch.connected('d', a, 2_000)).toEqual({ at: 2_000, addresses: ['10.0.0.2', '10.0.0.1'] });
    expect(watch.connected('d', b, 3_000)).toMatchObject({ at: 3_000 });
    expect(watch.shared('d', 3_000)).toBeDefined();
    expect(watch.shared('other', 3_000)).toBeUndefined();
  });

  it('takes a restart, a lost line and a changed address for what they are', () => {
    const watch = new IdentityWatch();
    for (const [n, agent] of [
      a,
      a,
      { ...a, address: '10.9.9.9' },
      a,
      b,
      b,
      { ...b, address: 'x' },
    ].entries()) {
      expect(watch.connected('d', agent, n)).toBeUndefined();
    }
    for (let n = 0; n < 20; n += 1) {
      expect(watch.connected('restarting', { ...a, instance: `i${n}` }, n)).toBeUndefined();
    }
    expect(watch.connected('old agent', {}, 1)).toBeUndefined();
    expect(watch.connected('old agent', {}, 2)).toBeUndefined();
  });

  it('finds three copies that take turns', () => {
    const watch = new IdentityWatch();
    const c = { instance: 'cc', address: '10.0.0.3' };
    for (const agent of [a, b, c]) watch.connected('d', agent, 0);
    expect(watch.connected('d', a, 1)?.addresses).toHaveLength(3);
  });

  it('forgets after a while, and at once when the device is enrolled anew', () => {
    const watch = new IdentityWatch();
    for (const agent of [a, b, a]) watch.connected('d', agent, 0);
    expect(watch.shared('d', limits.identitySharedMs - 1)).toBeDefined();
    expect(watch.shared('d', limits.identitySharedMs)).toBeUndefined();
    for (const agent of [a, b, a]) watch.connected('d', agent, 0);
    watch.forget('d');
    expect(watch.shared('d', 0)).toBeUndefined();
    expect(watch.connected('d', b, 1)).toBeUndefined();
  });

  it('remembers a bounded number of devices', () => {
    const watch = new IdentityWatch();
    watch.connected('first', a, 0);
    watch.connected('first', b, 0);
    for (let n = 0; n < limits.connectionsMax; n += 1) watch.connected(`d${n}`, a, 0);
    expect(watch.connected('first', a, 0)).toBeUndefined();
  });
});
