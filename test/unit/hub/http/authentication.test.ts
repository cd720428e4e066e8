import { describe, expect, it } from 'vitest';
import { mayCall } from '../../../../hub/http/authentication.ts';
import { roles } from '../../../../hub/http/request-actor.ts';

describe('mayCall()', () => {
  it.each([
    ['viewer', ['viewer', 'operator', 'publisher', 'admin']],
    ['operator', ['operator', 'admin']],
    ['publisher', ['publisher', 'admin']],
    ['admin', ['admin']],
  ] as const)('opens a route of role %s to %j and nobody else', (wanted, callers) => {
    expect(roles.filter((role) => mayCall(role, wanted))).toEqual(callers);
  });
});
