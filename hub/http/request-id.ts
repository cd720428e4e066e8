/**
 * The id of a request: in every answer (`X-Request-Id`), in the body of a problem and in the log. A caller may bring one, so that its
 * log and ours agree; one that is long or has other characters is replaced, because ids go into log lines and headers.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID = 'x-request-id';
const WELL_FORMED = /^[A-Za-z0-9][A-Za-z0-9._~:-]{0,63}$/;

/** Of `request`: the one it brought, or a new one; the same at each call. */
export function requestIdOf(request: IncomingMessage): string {
  const brought = request.headers[REQUEST_ID];
  if (typeof brought === 'string' && WELL_FORMED.test(brought)) return brought;
  const id = randomUUID();
  request.headers[REQUEST_ID] = id;
  return id;
}
