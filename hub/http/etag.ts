/**
 * Strong entity tags (RFC 9110 §8.8.3): SHA-256 of the answer as it is sent, less its compression. Nothing is made twice: the tag is
 * taken of the text that goes out, which costs about a tenth of writing it. A GET whose tag the caller has is answered with
 * 304; a change that names another one in `If-Match` is refused by preconditions.ts.
 */
import { hash } from 'node:crypto';
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Names at the end of a tag which encoding the bytes have: strong tags of different bytes differ. */
const ENCODED = /-(gzip|br|zstd)"$/;

export function entityTag(payload: string | Buffer): string {
  return `"${hash('sha256', payload, 'base64url').slice(0, 27)}"`;
}

/** The tag of the same answer in `encoding`. */
export function encodedTag(tag: string, encoding: string): string {
  return `${tag.slice(0, -1)}-${encoding}"`;
}

/** Whether `header` (`If-None-Match`, `If-Match`) names `tag`, in whatever encoding the caller had it. */
export function namesTag(header: string, tag: string, { weak }: { readonly weak: boolean }): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((part) => {
    const named = part.trim();
    if (!weak && named.startsWith('W/')) return false;
    return named.replace(/^W\//, '').replace(ENCODED, '"') === tag;
  });
}

/** Tags every answer of the API that a caller may keep, and answers 304 to who has it. */
export function addEntityTags(scope: FastifyInstance): void {
  scope.addHook('onSend', async (request, reply, payload) => {
    if (!mayBeKept(request, reply) || (typeof payload !== 'string' && !Buffer.isBuffer(payload)))
      return payload;
    const tag = entityTag(payload);
    void reply
      .header('etag', tag)
      .header('cache-control', 'private, no-cache')
      .header('vary', 'accept-encoding');
    const known = request.headers['if-none-match'];
    if (!isRead(request) || known === undefined || !namesTag(known, tag, { weak: true })) return payload;
    void reply.code(304).removeHeader('content-type').removeHeader('content-length');
    return '';
  });
}

/** Whether answers of the route have tags: not those with a secret, nor those of probes and scrapes, which are never the same. */
export function isTagged({
  url = '',
  config = {},
}: {
  readonly url?: string | undefined;
  readonly config?: FastifyContextConfig | undefined;
}): boolean {
  return !config.secret && (url.startsWith('/api/') || url === '/openapi.json');
}

/** A change that answers with what it changed gives the tag for the next `If-Match`. */
function mayBeKept(request: FastifyRequest, reply: FastifyReply): boolean {
  const { config } = request.routeOptions;
  if (reply.statusCode !== 200 || !isTagged(request.routeOptions)) return false;
  return isRead(request) || (config.current !== undefined && request.method !== 'DELETE');
}

function isRead({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The answer holds a secret: it is never stored by anybody, nor compressed. */
    secret?: boolean;
  }
}
