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
