/** `/api/v1/audit`: read the audit log, check its chain. */
import { Type } from 'typebox';
import { AuditEventPage, AuditVerdict } from '../../shared/api/audit.ts';
import { pageOf, pageQuery } from '../http/page.ts';
import type { Routes } from '../http/routes.ts';
import type { AuditLog } from './audit-log.ts';
import type { AuditVerification } from './audit-verification.ts';

const tags = ['audit'];
const filter = Type.Optional(Type.String({ minLength: 1, maxLength: 256 }));

export interface AuditRoutesProps {
  readonly audit: Pick<AuditLog, 'list'>;
  readonly verification: AuditVerification;
}

export function auditRoutes({ audit, verification }: AuditRoutesProps): Routes {
  return (api) => {
    api.get(
      '/audit',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listAuditEvents',
          summary: 'Audit events, newest first',
          querystring: Type.Object({
            actor: filter,
            action: filter,
            target: filter,
            after: Type.Optional(Type.Integer({ minimum: 1, description: '`next` of the page before' })),
            ...pageQuery,
          }),
          response: { 200: AuditEventPage },
        },
      },
      async (request) => {
        const { after, limit, ...filter } = request.query;
        const found = await audit.list({
          ...filter,
          ...(after === undefined ? {} : { before: after }),
          limit: limit + 1,
        });
        const { rows, ...rest } = pageOf(found, limit, ({ number }) => String(number));
        return { events: rows, ...rest };
      },
    );
    api.get(
      '/audit/verify',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'verifyAuditLog',
          summary: 'Check the hash chain of the audit log',
          description: 'From its first row on, or from the signed checkpoint that says which rows have left.',
          response: { 200: AuditVerdict },
        },
      },
      () => verification.verify(),
    );
  };
}
