import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { OpenConnections } from '../../../../hub/http/open-connections.ts';
import { limits } from '../../../../shared/base/limits.ts';

const socket = (remoteAddress: string) => {
  const emitter = Object.assign(new EventEmitter(), { remoteAddress, destroyed: false });
  return Object.assign(emitter, {
    destroy: () => {
      emitter.destroyed = true;
      emitter.emit('close');
    },
  }) as unknown as Socket;
};

it('a host that uses a new address of its IPv6 network for each connection has no more of them than others', () => {
  const open = new OpenConnections();
  const own = Array.from({ length: limits.httpConnectionsPerAddressMax + 10 }, (_, n) =>
    socket(`2001:db8:0:1::${(n + 1).toString(16)}`),
  );
  for (const one of own) open.enter(one);
  expect(own.filter(({ destroyed }) => destroyed)).toHaveLength(10);
  const other = socket('2001:db8:0:2::1');
  open.enter(other);
  expect(other.destroyed).toBe(false);
  own[0]!.destroy();
  const next = socket('2001:db8:0:1::ffff');
  open.enter(next);
  expect(next.destroyed).toBe(false);
});

it('sources that together hold all there may be keep no other out, and a crowd of equals loses none', () => {
  const open = new OpenConnections();
  const held = Array.from({ length: limits.httpConnectionsMax }, (_, n) => socket(`10.0.0.${n % 5}`));
  for (const one of held) open.enter(one);
  expect(held.some(({ destroyed }) => destroyed)).toBe(false);
  const other = socket('10.9.9.9');
  open.enter(other);
  expect(other.destroyed).toBe(false);
  expect(held.filter(({ destroyed }) => destroyed)).toEqual([held[0]]);
  for (let n = 0; n < limits.httpConnectionsMax; n += 1) open.enter(socket(`10.1.${n >> 8}.${n & 255}`));
  expect(other.destroyed).toBe(false);
  const late = socket('10.2.0.1');
  open.enter(late);
  expect(late.destroyed).toBe(true);
});
