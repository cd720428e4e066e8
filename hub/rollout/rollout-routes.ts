/** `/api/v1/rollouts`. */
import { Type } from 'typebox';
import { RolloutRequest } from '../../shared/api/rollout-plan.ts';
import {
  deviceStatuses,
  Rollout,
  RolloutAbortRequest,
  RolloutActionRequest,
  type RolloutDevice,
  RolloutDevicePage,
  RolloutPage,
  type RolloutSummary,
  rolloutStatuses,
} from '../../shared/api/rollouts.ts';
import { GroupName, ModelName, RolloutId } from '../../shared/base/names.ts';
import { created } from '../http/created.ts';
import { pageQuery } from '../http/page.ts';
import type { CurrentThing } from '../http/preconditions.ts';
import type { Routes } from '../http/routes.ts';
import {
  positionOf,
  SCANNED_ROWS_MAX,
  type Sorts,
  scannedPage,
  sortedPage,
  sortQuery,
} from '../http/sorting.ts';
import type { RolloutService } from './rollout-service.ts';

const tags = ['rollouts'];
const params = Type.Object({ id: RolloutId });
const response = { 200: Rollout };

const sorts: Sorts<RolloutSummary> = {
  createdAt: { columns: ['created_at', 'id'], valuesOf: ({ createdAt, id }) => [createdAt, id] },
};

const deviceSorts: Sorts<RolloutDevice> = {
  ordinal: { columns: ['ordinal'], valuesOf: ({ ordinal }) => [ordinal] },
};

export function rolloutRoutes(rollouts: RolloutService): Routes {
  const current: CurrentThing = { path: '/rollouts/:id', read: ({ id }) => rollouts.show(id!) };
  return (api) => {
    api.post(
      '/rollouts',
      {
        config: {
          role: 'operator',
          errors: [
            'rollout_plan_invalid',
            'version_unknown',
            'version_withdrawn',
            'rollout_target_empty',
            'rollout_not_needed',
            'rollout_downgrade',
            'rollout_target_unfit',
            'interface_breaking',
            'rollout_overlap',
          ],
        },
        schema: {
          tags,
          operationId: 'createRollout',
          summary: 'Create a rollout and start it',
          body: RolloutRequest,
          response: { 201: Rollout },
        },
      },
      async (request, reply) => {
        const rollout = await rollouts.create(request.body, request.actor);
        created(reply, 'rollouts', rollout.id);
        return rollout;
      },
    );
    api.get(
      '/rollouts',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listRollouts',
          summary: 'List rollouts, newest first',
          querystring: Type.Object({
            model: Type.Optional(ModelName),
            group: Type.Optional(GroupName),
            status: Type.Optional(Type.Enum([...rolloutStatuses])),
            ...sortQuery(sorts, '-createdAt'),
            ...pageQuery,
          }),
          response: { 200: RolloutPage },
        },
      },
      async (request) => {
        const { sort, after: _, limit, ...filter } = request.query;
        const position = positionOf(sorts, request.query);
        const found = await rollouts.list({ ...filter, position, limit: limit + 1 });
        const { rows, ...rest } = sortedPage(sorts, { sort, limit }, found);
        return { rollouts: rows, ...rest };
      },
    );
    api.get(
      '/rollouts/:id',
      {
        config: { role: 'viewer', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'getRollout',
          summary: 'Show phases, counts, faults and verdicts of a rollout',
          params,
          response,
        },
      },
      (request) => rollouts.show(request.params.id),
    );
    api.get(
      '/rollouts/:id/devices',
      {
        config: { role: 'viewer', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'listRolloutDevices',
          summary: 'List the devices of a rollout, in its order',
          params,
          querystring: Type.Object({
            status: Type.Optional(
              Type.Enum([...deviceStatuses], {
                description:
                  'Those in this status now. A page may then have fewer rows than `limit`, or none, and still a `next`.',
              }),
            ),
            ...sortQuery(deviceSorts, 'ordinal'),
            ...pageQuery,
          }),
          response: { 200: RolloutDevicePage },
        },
      },
      async (request) => {
        const { status, limit } = request.query;
        const position = positionOf(deviceSorts, request.query);
        // The clock decides on some statuses: no index knows them.
        const scanLimit = status === undefined ? limit + 1 : SCANNED_ROWS_MAX;
        const devices = await rollouts.devices(request.params.id, { position, limit: scanLimit });
        const isWanted = (device: RolloutDevice) => status === undefined || device.status === status;
        const { rows, ...rest } = scannedPage(deviceSorts, request.query, {
          rows: devices,
          isWanted,
          scanLimit,
        });
        return { devices: rows, ...rest };
      },
    );
    api.post(
      '/rollouts/:id/pause',
      {
        config: { role: 'operator', current, errors: ['not_found', 'rollout_state_conflict'] },
        schema: {
          tags,
          operationId: 'pauseRollout',
          summary: 'Pause: no new offers, and those not yet switched to are withdrawn',
          params,
          body: RolloutActionRequest,
          response,
        },
      },
      (request) => rollouts.pause(request.params.id, { actor: request.actor, reason: request.body?.reason }),
    );
    api.post(
      '/rollouts/:id/resume',
      {
        config: { role: 'operator', current, errors: ['not_found', 'rollout_state_conflict'] },
        schema: {
          tags,
          operationId: 'resumeRollout',
          summary: 'Resume a paused rollout',
          params,
          body: RolloutActionRequest,
          response,
        },
      },
      (request) => rollouts.resume(request.params.id, { actor: request.actor, reason: request.body?.reason }),
    );
    api.post(
      '/rollouts/:id/abort',
      {
        config: { role: 'operator', current, errors: ['not_found', 'rollout_state_conflict'] },
        schema: {
          tags,
          operationId: 'abortRollout',
          summary:
            'End a rollout; its devices roll back to the version before, unless they are to keep this one',
          params,
          body: RolloutAbortRequest,
          response,
        },
      },
      (request) =>
        rollouts.abort(request.params.id, {
          actor: request.actor,
          reason: request.body?.reason,
          keep: request.body?.keep,
        }),
    );
    api.post(
      '/rollouts/:id/rollback',
      {
        config: {
          role: 'operator',
          current,
          errors: ['not_found', 'rollout_state_conflict', 'rollout_overlap'],
        },
        schema: {
          tags,
          operationId: 'rollBackRollout',
          summary: 'Revert the version on every device, also after the rollout has ended',
          params,
          body: RolloutActionRequest,
          response,
        },
      },
      (request) =>
        rollouts.rollback(request.params.id, { actor: request.actor, reason: request.body?.reason }),
    );
  };
}
