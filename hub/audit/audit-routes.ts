/** `/api/v1/audit`: read the audit log, check its chain. */
import { Type } from 'typebox';
import { limits } from '../../shared/base/limits.ts';
import type { Routes } from '../http/routes.ts';
import type { AuditLog } from './audit-log.ts';

const tags = ['audit'];
const filter = Type.Optional(Type.String({ minLength: 1, maxLength: 256 }));

const AuditRecordBody = Type.Object({
  number: Type.Integer(),
  at: Type.Integer({ description: 'Milliseconds since the epoch' }),
  actor: Type.String(),
  address: Type.Optional(Type.String()),
  action: Type.String(),
  target: Type.String(),
  details: Type.Record(Type.String(), Type.Unknown()),
  hash: Type.String(),
});

export function auditRoutes(audit: AuditLog): Routes {
  return (api) => {
    api.get(
      '/audit',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'Audit events, newest first',
          description: 'The next page is asked for with `before` = the number of the last event.',
          querystring: Type.Object({
            actor: filter,
            action: filter,
            target: filter,
            before: Type.Optional(Type.Integer({ minimum: 1 })),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.pageRowsMax })),
          }),
          response: { 200: Type.Object({ events: Type.Array(AuditRecordBody) }) },
        },
      },
      async (request) => ({ events: await audit.list(request.query) }),
    );
    api.get(
      '/audit/verify',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'Check the hash chain of the audit log',
          response: {
            200: Type.Union([
              Type.Object({ intact: Type.Literal(true), rows: Type.Integer(), head: Type.String() }),
              Type.Object({
                intact: Type.Literal(false),
                rows: Type.Integer(),
                brokenAt: Type.Integer(),
                reason: Type.String(),
              }),
            ]),
          },
        },
      },
      () => audit.verify(),
    );
  };
}
