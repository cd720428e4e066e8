/** `/api/v1/audit`: read the audit log, check its chain. */
import { Type } from 'typebox';
import {
  type AuditEvent,
  AuditEventPage,
  AuditHead,
  AuditVerdict,
  auditActions,
} from '../../shared/api/audit.ts';
import { Milliseconds } from '../../shared/api/milliseconds.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import { Digest } from '../../shared/base/names.ts';
import { nearestName } from '../../shared/base/nearest-name.ts';
import { pageQuery } from '../http/page.ts';
import type { Routes } from '../http/routes.ts';
import { positionOf, type Sorts, sortedPage, sortQuery } from '../http/sorting.ts';
import type { AuditHeads } from './audit-head.ts';
import type { AuditLog } from './audit-log.ts';
import type { AuditVerification } from './audit-verification.ts';

const tags = ['audit'];
const filter = Type.Optional(Type.String({ minLength: 1, maxLength: 256 }));

const sorts: Sorts<AuditEvent> = { number: { columns: ['number'], valuesOf: ({ number }) => [number] } };

export interface AuditRoutesProps {
  readonly audit: Pick<AuditLog, 'list'>;
  readonly verification: AuditVerification;
  readonly heads: Pick<AuditHeads, 'sign'>;
}

export function auditRoutes({ audit, verification, heads }: AuditRoutesProps): Routes {
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
            action: Type.Optional(
              Type.String({
                minLength: 1,
                maxLength: 256,
                description:
                  'An action, such as `rollout.paused`, or all that begin with a noun, such as `rollout`',
              }),
            ),
            target: filter,
            since: Type.Optional(Milliseconds),
            until: Type.Optional(Type.Unsafe<number>({ ...Milliseconds, description: 'Before this time' })),
            ...sortQuery(sorts, '-number'),
            ...pageQuery,
          }),
          response: { 200: AuditEventPage },
        },
      },
      async (request) => {
        const { sort, after: _, limit, ...filter } = request.query;
        if (filter.action !== undefined) checkAction(filter.action);
        const position = positionOf(sorts, request.query);
        const found = await audit.list({ ...filter, position, limit: limit + 1 });
        const { rows, ...rest } = sortedPage(sorts, { sort, limit }, found);
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
          description:
            'From its first row on, or from the signed checkpoint that states which rows were deleted.',
          querystring: Type.Object({
            number: Type.Optional(Type.Integer({ minimum: 1, description: 'Row of a head kept elsewhere' })),
            hash: Type.Optional(Type.Unsafe<string>({ ...Digest, description: 'Its hash then' })),
          }),
          response: { 200: AuditVerdict },
        },
      },
      ({ query: { number, hash } }) => {
        if (number === undefined && hash === undefined) return verification.verify();
        if (number !== undefined && hash !== undefined) return verification.verify({ number, hash });
        throw new AppError(
          'bad_input',
          'Cannot compare the audit log: expected both "number" and "hash" of a head.',
        );
      },
    );
    api.get(
      '/audit/head',
      {
        config: { role: 'viewer', errors: ['audit_broken'] },
        schema: {
          tags,
          operationId: 'getAuditHead',
          summary: 'The signed head of the audit log',
          description: 'Keep it outside the hub: a log that was rewritten since does not lead through it.',
          response: { 200: AuditHead },
        },
      },
      () => heads.sign(),
    );
  };
}

/** A misspelt action would find nothing, as if it had never happened. */
function checkAction(action: string): void {
  const known = new Set<string>(auditActions.flatMap((name) => [name, name.split('.')[0]!]));
  if (known.has(action)) return;
  const nearest = nearestName(action, known);
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  throw new AppError(
    'bad_input',
    `Cannot list audit events: ${excerpt(action)} is not the name of an action.${hint}`,
  );
}
