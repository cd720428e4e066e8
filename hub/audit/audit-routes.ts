/** `/api/v1/audit`: read the audit log, check its chain. */
import { Type } from 'typebox';
import { next, pageOf, pageQuery } from '../http/page.ts';
import type { Routes } from '../http/routes.ts';
import { AuditCheckpoint } from './audit-checkpoint.ts';
import type { AuditLog } from './audit-log.ts';
import type { AuditVerification } from './audit-verification.ts';

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

const verified = {
  rows: Type.Integer({ description: 'Rows found whole' }),
  from: Type.Integer({ description: 'The first of them' }),
  checkpoint: Type.Optional(AuditCheckpoint),
};

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
          summary: 'Audit events, newest first',
          querystring: Type.Object({
            actor: filter,
            action: filter,
            target: filter,
            after: Type.Optional(Type.Integer({ minimum: 1, description: '`next` of the page before' })),
            ...pageQuery,
          }),
          response: { 200: Type.Object({ events: Type.Array(AuditRecordBody), next }) },
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
          summary: 'Check the hash chain of the audit log',
          description: 'From its first row on, or from the signed checkpoint that says which rows have left.',
          response: {
            200: Type.Union([
              Type.Object({ intact: Type.Literal(true), ...verified, head: Type.String() }),
              Type.Object({
                intact: Type.Literal(false),
                ...verified,
                brokenAt: Type.Integer(),
                reason: Type.String(),
              }),
            ]),
          },
        },
      },
      () => verification.verify(),
    );
  };
}
