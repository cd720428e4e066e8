import { expect, it } from 'vitest';
import { auditActor } from '../../../../hub/http/request-actor.ts';

it.each(['admin', 'anonymous', 'hub'])('auditActor() names the holder of a token "%s" as a token', (name) => {
  expect(auditActor({ name, role: 'admin', address: '192.0.2.1' })).toEqual({
    actor: `token:${name}`,
    address: '192.0.2.1',
  });
});
