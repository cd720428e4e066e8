/** The audit log. */
import { type Static, Type } from 'typebox';
import { Digest } from '../base/names.ts';
import { Milliseconds } from './milliseconds.ts';
import { next } from './page.ts';

const Time = Type.Integer({ minimum: 0 });

/** Everything the audit log records: noun and past participle. */
export const auditActions = [
  'alert.acknowledged',
  'alert.tested',
  'audit.checkpoint_signed_again',
  'audit.head_set_aside',
  'audit.rows_removed',
  'device.enrolled',
  'device.enrolment_repeated',
  'device.identity_shared',
  'device.moved',
  'device.released',
  'device.removed',
  'hub.caught_up',
  'hub.clock_set',
  'hub.reloaded',
  'join_token.created',
  'join_token.revoked',
  'loss.accepted',
  'model.unassigned',
  'objectives.reset',
  'objectives.set',
  'retention.collected',
  'rollout.abandoned',
  'rollout.aborted',
  'rollout.approved',
  'rollout.completed',
  'rollout.created',
  'rollout.judged',
  'rollout.offer_failed',
  'rollout.paused',
  'rollout.phase_started',
  'rollout.removed',
  'rollout.resumed',
  'rollout.revert_failed',
  'rollout.rollback_started',
  'rollout.rolled_back',
  'rollout.started',
  'rollout.submitted',
  'security.api_token',
  'security.certificate',
  'security.connect',
  'security.connection',
  'security.half_open',
  'security.handshake',
  'security.https_handshake',
  'security.join_token',
  'security.metadata',
  'security.packet',
  'security.payload',
  'security.publish',
  'security.rate',
  'security.request',
  'security.role',
  'security.subscribe',
  'silence.created',
  'silence.ended',
  'storage.damaged',
  'storage.recovered',
  'token.created',
  'token.revoked',
  'trust.initialised',
  'trust.publisher_refreshed',
  'version.content_left',
  'version.published',
  'version.withdrawn',
] as const;
export type AuditAction = (typeof auditActions)[number];

export const AuditEvent = Type.Object(
  {
    number: Type.Integer(),
    at: Milliseconds,
    actor: Type.String(),
    address: Type.Optional(Type.String()),
    action: Type.String(),
    target: Type.String(),
    details: Type.Record(Type.String(), Type.Unknown()),
    hash: Type.String(),
  },
  { $id: 'AuditEvent' },
);
export type AuditEvent = Static<typeof AuditEvent>;

/** Answer of `GET /audit`. */
export const AuditEventPage = Type.Object(
  { events: Type.Array(AuditEvent), next },
  { $id: 'AuditEventPage' },
);
export type AuditEventPage = Static<typeof AuditEventPage>;

/** What the hub signs when old rows leave: where the chain goes on. */
export const AuditCheckpoint = Type.Object(
  {
    v: Type.Literal(1),
    /** Rows 1 to this one have left. */
    number: Type.Integer({ minimum: 1 }),
    /** Of that row: the first row that is left carries it. */
    hash: Digest,
    /** Earliest and latest time of the rows that have left, and when the last of them did. Milliseconds since the epoch. */
    firstAt: Time,
    lastAt: Time,
    signedAt: Time,
  },
  { $id: 'AuditCheckpoint' },
);
export type AuditCheckpoint = Static<typeof AuditCheckpoint>;

/** Answer of `GET /audit/head`: what the log ended with, signed by the hub. */
export const AuditHead = Type.Object(
  {
    number: Type.Integer({ minimum: 0, description: 'The last row; 0: there is none' }),
    hash: Digest,
    signedAt: Milliseconds,
    publicKey: Type.String({ description: 'PEM of the Ed25519 key that signed it', maxLength: 1024 }),
    envelope: Type.String({
      description: 'DSSE envelope over number, hash and time, as JSON text',
      maxLength: 4096,
    }),
  },
  { $id: 'AuditHead' },
);
export type AuditHead = Static<typeof AuditHead>;

const verified = {
  rows: Type.Integer({ description: 'Rows found whole' }),
  from: Type.Integer({ description: 'The first of them' }),
  checkpoint: Type.Optional(AuditCheckpoint),
  headRemoved: Type.Optional(
    Type.Boolean({ description: 'The row of the given head has left the log: it cannot be compared' }),
  ),
};

/** Answer of `GET /audit/verify`. */
export const AuditVerdict = Type.Union(
  [
    Type.Object({ intact: Type.Literal(true), ...verified, head: Type.String() }),
    Type.Object({
      intact: Type.Literal(false),
      ...verified,
      brokenAt: Type.Integer(),
      reason: Type.String(),
    }),
  ],
  { $id: 'AuditVerdict' },
);
export type AuditVerdict = Static<typeof AuditVerdict>;
