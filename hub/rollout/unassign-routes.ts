/** `/api/v1/models/:model/unassign`. */
import { Type } from 'typebox';
import { Unassigned, UnassignRequest } from '../../shared/api/models.ts';
import { ModelName } from '../../shared/base/names.ts';
import type { Routes } from '../http/routes.ts';
import type { UnassignService } from './unassign-service.ts';

export function unassignRoutes(unassigning: UnassignService): Routes {
  return (api) => {
    api.post(
      '/models/:model/unassign',
      {
        config: { role: 'operator', errors: ['not_found', 'device_not_reported', 'rollout_overlap'] },
        schema: {
          tags: ['models'],
          operationId: 'unassignModel',
          summary: 'Take a model off a device or a group: the devices stop answering for it and delete it',
          description: 'An offline device learns it when it returns.',
          params: Type.Object({ model: ModelName }),
          body: UnassignRequest,
          response: { 202: Unassigned },
        },
      },
      async (request, reply) => {
        void reply.code(202);
        const { failed, ...rest } = await unassigning.unassign(
          request.params.model,
          request.body,
          request.actor,
        );
        return { ...rest, failed: [...failed] };
      },
    );
  };
}
