/** Alerts, silences and what receivers are sent. */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { Milliseconds } from './milliseconds.ts';
import { next } from './page.ts';

/** page: a person is needed now; ticket: within days. */
export const alertSeverities = ['page', 'ticket'] as const;
export type AlertSeverity = (typeof alertSeverities)[number];

export const alertStates = ['pending', 'firing', 'acknowledged', 'resolved'] as const;
export type AlertState = (typeof alertStates)[number];

/** Every alert rule (hub/alerts/alert-catalogue.ts). */
export const alertCodes = [
  'accuracy_burns_fast',
  'accuracy_burns_slowly',
  'availability_burns_fast',
  'availability_burns_slowly',
  'drift_found',
  'evaluation_failed',
  'latency_burns_fast',
  'latency_burns_slowly',
  'receiver_failed',
  'reports_missing',
] as const;
export type AlertCode = (typeof alertCodes)[number];

export const AlertCodeName = Type.Enum([...alertCodes]);
export const AlertId = Type.String({
  pattern: '^a-[0-9a-f]{12}$',
  description: 'Alert id such as a-0123456789ab',
});
export const SilenceId = Type.String({
  pattern: '^s-[0-9a-f]{12}$',
  description: 'Silence id such as s-0123456789ab',
});

/** What an alert is about: a model, a model in a group (`model/group`), a receiver, or the hub itself (`hub`). */
const subject = Type.String({
  minLength: 1,
  maxLength: 2 * limits.nameCharsMax + 1,
  description: 'Model, `model/group` or receiver; `hub` for the hub',
});
const text = Type.String({ minLength: 1, maxLength: 500 });

const sent = {
  id: AlertId,
  code: AlertCodeName,
  subject,
  severity: Type.Enum([...alertSeverities]),
  owner: Type.String(),
  summary: Type.String(),
  runbook: Type.String({ description: 'Page and heading of the documentation' }),
  /** When the rule first held, when it had held for long enough, and when it had not held for long enough. */
  pendingAt: Milliseconds,
  firedAt: Type.Optional(Milliseconds),
  resolvedAt: Type.Optional(Milliseconds),
};

export const Alert = Type.Object(
  {
    ...sent,
    state: Type.Enum([...alertStates]),
    acknowledgedAt: Type.Optional(Milliseconds),
    acknowledgedBy: Type.Optional(Type.String()),
    silenced: Type.Boolean(),
    recurrences: Type.Integer({ description: 'Times it fired again soon after it was resolved' }),
  },
  { $id: 'Alert' },
);
export type Alert = Static<typeof Alert>;

/** Answer of `GET /alerts`. */
export const AlertPage = Type.Object({ alerts: Type.Array(Alert), next }, { $id: 'AlertPage' });
export type AlertPage = Static<typeof AlertPage>;

const matcher = { code: Type.Optional(AlertCodeName), subject: Type.Optional(subject) };

/** Body of `POST /alert-silences`. Without `code` and `subject` it silences every alert; a model is silenced in all groups. */
export const SilenceRequest = Type.Object(
  { ...matcher, reason: text, forMs: Type.Integer({ minimum: 60_000, maximum: 90 * 86_400_000 }) },
  { $id: 'SilenceRequest' },
);
export type SilenceRequest = Static<typeof SilenceRequest>;

export const Silence = Type.Object(
  {
    id: SilenceId,
    ...matcher,
    reason: Type.String(),
    createdAt: Milliseconds,
    createdBy: Type.String(),
    endsAt: Milliseconds,
  },
  { $id: 'Silence' },
);
export type Silence = Static<typeof Silence>;

/** Answer of `GET /alert-silences`. */
export const SilencePage = Type.Object({ silences: Type.Array(Silence), next }, { $id: 'SilencePage' });
export type SilencePage = Static<typeof SilencePage>;

/** What a webhook is sent: what changed of the alerts of one subject in one evaluation. */
export const AlertNotification = Type.Object(
  {
    v: Type.Literal(1),
    /** The same at each repetition; also in the header `webhook-id`. */
    id: Type.String(),
    kind: Type.Enum(['alerts', 'test']),
    subject: Type.String(),
    alerts: Type.Array(Type.Object({ ...sent, status: Type.Enum(['firing', 'resolved']) })),
  },
  { $id: 'AlertNotification' },
);
export type AlertNotification = Static<typeof AlertNotification>;

export const AlertDelivery = Type.Object(
  {
    id: Type.String({ description: 'Also in the header `webhook-id`' }),
    receiver: Type.String(),
    subject: Type.String(),
    createdAt: Milliseconds,
    tries: Type.Integer(),
    /** Absent while it waits; it is not tried again once it is set. */
    deadAt: Type.Optional(Milliseconds),
    fault: Type.Optional(Type.String({ description: 'Why the last try failed' })),
  },
  { $id: 'AlertDelivery' },
);
export type AlertDelivery = Static<typeof AlertDelivery>;

/** Answer of `GET /alert-deliveries`: what waits, and what was given up (the dead-letter list). */
export const AlertDeliveryPage = Type.Object(
  { deliveries: Type.Array(AlertDelivery), next },
  { $id: 'AlertDeliveryPage' },
);
export type AlertDeliveryPage = Static<typeof AlertDeliveryPage>;

/** Body and answer of `POST /alerts/test`. Without `receiver`: all of them. */
export const AlertTestRequest = Type.Object(
  { receiver: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })) },
  { $id: 'AlertTestRequest' },
);
export type AlertTestRequest = Static<typeof AlertTestRequest>;
export const AlertTestResult = Type.Object(
  {
    receivers: Type.Array(
      Type.Object({
        receiver: Type.String(),
        delivered: Type.Boolean(),
        fault: Type.Optional(Type.String()),
      }),
    ),
  },
  { $id: 'AlertTestResult' },
);
export type AlertTestResult = Static<typeof AlertTestResult>;
