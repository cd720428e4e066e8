import fastify from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { addAuthentication, mayCall } from '../../../../hub/http/authentication.ts';
import { RequestRate } from '../../../../hub/http/request-rate.ts';
import { roles } from '../../../../shared/api/access.ts';
import { isAppError } from '../../../../shared/base/app-error.ts';
import { limits } from '../../../../shared/base/limits.ts';

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

it('a host that uses a new address of its IPv6 network for each wrong token tries no more of them than others', async () => {
  const app = fastify();
  onTestFinished(() => app.close());
  await addAuthentication(app, {
    tokens: { authenticate: async () => undefined },
    requestRate: new RequestRate({ perMinuteMax: 100, monotonic: () => 0 }),
  });
  app.get('/devices', { config: { role: 'viewer' } }, async () => 'never');
  app.setErrorHandler((error, _request, reply) =>
    reply.code(isAppError(error, 'rate_limited') ? 429 : 401).send(),
  );
  const ask = async (remoteAddress: string) =>
    (await app.inject({ url: '/devices', remoteAddress })).statusCode;
  for (let n = 0; n < limits.failedLoginsPerMinuteMax; n += 1) {
    expect(await ask(`2001:db8:0:1::${n.toString(16)}`)).toBe(401);
  }
  expect(await ask('2001:db8:0:1:ffff::')).toBe(429);
  expect(await ask('2001:db8:0:2::')).toBe(401);
});
