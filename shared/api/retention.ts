/** What the hub keeps no longer. */
import { type Static, Type } from 'typebox';
import { Milliseconds } from './milliseconds.ts';

export const RetentionKind = Type.Object(
  {
    kind: Type.String(),
    rule: Type.String({ description: 'When one leaves' }),
    count: Type.Integer({ description: 'What left; with `dryRun`, what would' }),
    bytes: Type.Integer(),
    oldestAt: Type.Optional(Milliseconds),
    isMore: Type.Boolean({ description: 'There is more: ask again' }),
    failed: Type.Optional(Type.String({ description: 'Error code, when this kind could not leave' })),
  },
  { $id: 'RetentionKind' },
);
export type RetentionKind = Static<typeof RetentionKind>;

/** Body and answer of `POST /hub/gc`. */
export const RetentionRequest = Type.Object(
  { dryRun: Type.Optional(Type.Boolean()) },
  { $id: 'RetentionRequest' },
);
export type RetentionRequest = Static<typeof RetentionRequest>;
export const RetentionReport = Type.Object(
  { dryRun: Type.Boolean(), kinds: Type.Array(RetentionKind) },
  { $id: 'RetentionReport' },
);
export type RetentionReport = Static<typeof RetentionReport>;
