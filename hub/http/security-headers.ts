/**
 * Headers of every answer, also of those before routing: they are set when Node has read the head of a request, before anybody
 * else sees it. A part that knows better (etag.ts, the page at `/docs`) overwrites them.
 */
import type { Server } from 'node:http';
import { REQUEST_ID, requestIdOf } from './request-id.ts';

/** An answer is of the hub and of this moment, and nothing that a browser runs, frames or passes on. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'strict-transport-security': 'max-age=31536000',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  // The default is the strict one: an answer that may be kept says so.
  'cache-control': 'no-store',
};

/** Before `server` listens. */
export function addSecurityHeaders(server: Server): void {
  server.prependListener('request', (request, response) => {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    response.setHeader(REQUEST_ID, requestIdOf(request));
  });
}
