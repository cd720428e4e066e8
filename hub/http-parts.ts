/** What stands around the routes of the REST API. Part of the composition root (hub.ts). */
import type { FastifyInstance } from 'fastify';
import type { HubOptions } from './config/options-schema.ts';
import type { Foundation, HubEnvironment } from './foundation.ts';
import { RequestRate } from './http/request-rate.ts';
import type { HttpServerProps } from './http/server.ts';
import { addIdempotency } from './idempotency/idempotency-hooks.ts';

export function makeHttpParts(
  { requestsPerToken }: Pick<HubOptions, 'requestsPerToken'>,
  { clock }: Pick<HubEnvironment, 'clock'>,
  { idempotency }: Pick<Foundation, 'idempotency'>,
): Pick<HttpServerProps, 'requestRate'> & Required<Pick<HttpServerProps, 'around'>> {
  return {
    requestRate: new RequestRate({ perMinuteMax: requestsPerToken, monotonic: () => clock.monotonic() }),
    around: (api: FastifyInstance) => addIdempotency(api, idempotency),
  };
}
