import type { FastifyReply } from 'fastify';

/** Marks the answer as 201 and names the new resource by its path below `/api/v1`. */
export function created(reply: FastifyReply, ...path: readonly string[]): void {
  void reply.code(201).header('location', `/api/v1/${path.map(encodeURIComponent).join('/')}`);
}
