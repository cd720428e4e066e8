/** `/api/v1/alerts`, `/alert-silences` and `/alert-deliveries`. */
import { Type } from 'typebox';
import {
  Alert,
  AlertCodeName,
  AlertDeliveryPage,
  AlertId,
  AlertPage,
  AlertTestRequest,
  AlertTestResult,
  alertSeverities,
  alertStates,
  Silence,
  SilenceId,
  SilencePage,
  SilenceRequest,
} from '../../shared/api/alerts.ts';
import { created } from '../http/created.ts';
import { pageQuery } from '../http/page.ts';
import type { Routes } from '../http/routes.ts';
import { positionOf, type Sorts, sortedPage, sortQuery } from '../http/sorting.ts';
import type { AlertService } from './alert-service.ts';
import type { ListedDelivery } from './delivery-store.ts';
import type { Receivers } from './receivers.ts';

const tags = ['alerts'];

const alertSorts: Sorts<Alert> = {
  pendingAt: { columns: ['pending_at', 'id'], valuesOf: ({ pendingAt, id }) => [pendingAt, id] },
};
const silenceSorts: Sorts<Silence> = {
  createdAt: { columns: ['created_at', 'id'], valuesOf: ({ createdAt, id }) => [createdAt, id] },
};
const deliverySorts: Sorts<ListedDelivery> = {
  number: { columns: ['number'], valuesOf: ({ number }) => [number] },
};

export function alertRoutes(alerts: AlertService, receivers: Receivers): Routes {
  return (api) => {
    api.get(
      '/alerts',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listAlerts',
          summary: 'List alerts, newest first',
          querystring: Type.Object({
            state: Type.Optional(Type.Enum([...alertStates])),
            active: Type.Optional(Type.Boolean({ description: 'Whether they are not resolved yet' })),
            severity: Type.Optional(Type.Enum([...alertSeverities])),
            code: Type.Optional(AlertCodeName),
            subject: Type.Optional(Type.String({ minLength: 1, maxLength: 129 })),
            ...sortQuery(alertSorts, '-pendingAt'),
            ...pageQuery,
          }),
          response: { 200: AlertPage },
        },
      },
      async (request) => {
        const { sort, after: _, limit, ...filter } = request.query;
        const position = positionOf(alertSorts, request.query);
        const found = await alerts.list({ ...filter, position, limit: limit + 1 });
        const { rows, ...rest } = sortedPage(alertSorts, { sort, limit }, found);
        return { alerts: rows, ...rest };
      },
    );
    api.get(
      '/alerts/:id',
      {
        config: { role: 'viewer', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'getAlert',
          summary: 'Show an alert',
          params: Type.Object({ id: AlertId }),
          response: { 200: Alert },
        },
      },
      (request) => alerts.show(request.params.id),
    );
    api.post(
      '/alerts/:id/acknowledge',
      {
        config: { role: 'operator', errors: ['not_found', 'conflict'] },
        schema: {
          tags,
          operationId: 'acknowledgeAlert',
          summary: 'Say that a person deals with an alert that is firing',
          params: Type.Object({ id: AlertId }),
          response: { 200: Alert },
        },
      },
      (request) => alerts.acknowledge(request.params.id, request.actor),
    );
    api.post(
      '/alerts/test',
      {
        config: { role: 'operator', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'testAlerts',
          summary: 'Send a test notification to receivers and report what they answered',
          body: AlertTestRequest,
          response: { 200: AlertTestResult },
        },
      },
      (request) => receivers.test(request.body.receiver, request.actor),
    );
    api.get(
      '/alert-silences',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listAlertSilences',
          summary: 'List silences, newest first',
          querystring: Type.Object({
            active: Type.Optional(Type.Boolean({ description: 'Whether they have not ended yet' })),
            ...sortQuery(silenceSorts, '-createdAt'),
            ...pageQuery,
          }),
          response: { 200: SilencePage },
        },
      },
      async (request) => {
        const { sort, after: _, limit, active } = request.query;
        const position = positionOf(silenceSorts, request.query);
        const found = await alerts.silences({ active, position, limit: limit + 1 });
        const { rows, ...rest } = sortedPage(silenceSorts, { sort, limit }, found);
        return { silences: rows, ...rest };
      },
    );
    api.post(
      '/alert-silences',
      {
        config: { role: 'operator' },
        schema: {
          tags,
          operationId: 'createAlertSilence',
          summary: 'Send no notifications of matching alerts for a time',
          description: 'Without `code` and `subject` it matches every alert. It ends by itself.',
          body: SilenceRequest,
          response: { 201: Silence },
        },
      },
      async (request, reply) => {
        const silence = await alerts.silence(request.body, request.actor);
        created(reply, 'alert-silences', silence.id);
        return silence;
      },
    );
    api.get(
      '/alert-silences/:id',
      {
        config: { role: 'viewer', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'getAlertSilence',
          summary: 'Show a silence',
          params: Type.Object({ id: SilenceId }),
          response: { 200: Silence },
        },
      },
      (request) => alerts.showSilence(request.params.id),
    );
    api.delete(
      '/alert-silences/:id',
      {
        config: { role: 'operator', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'endAlertSilence',
          summary: 'End a silence now',
          params: Type.Object({ id: SilenceId }),
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await alerts.endSilence(request.params.id, request.actor);
        return reply.code(204).send(null);
      },
    );
    api.get(
      '/alert-deliveries',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listAlertDeliveries',
          summary: 'List notifications that wait for a receiver or were given up, newest first',
          querystring: Type.Object({
            receiver: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
            dead: Type.Optional(Type.Boolean({ description: 'Whether they were given up' })),
            ...sortQuery(deliverySorts, '-number'),
            ...pageQuery,
          }),
          response: { 200: AlertDeliveryPage },
        },
      },
      async (request) => {
        const { sort, after: _, limit, ...filter } = request.query;
        const position = positionOf(deliverySorts, request.query);
        const found = await receivers.deliveries({ ...filter, position, limit: limit + 1 });
        const { rows, ...rest } = sortedPage(deliverySorts, { sort, limit }, found);
        return { deliveries: rows.map(({ number: _number, ...delivery }) => delivery), ...rest };
      },
    );
  };
}
