/** `/api/v1/devices/:id/release`. */
import { Type } from 'typebox';
import { DeviceRelease, DeviceReleaseRequest } from '../../shared/api/devices.ts';
import { DeviceId } from '../../shared/base/names.ts';
import type { Routes } from '../http/routes.ts';
import type { ReleaseService } from './release-service.ts';

export function releaseRoutes(releases: ReleaseService): Routes {
  return (api) => {
    api.post(
      '/devices/:id/release',
      {
        config: { role: 'operator', errors: ['not_found', 'device_not_reported'] },
        schema: {
          tags: ['devices'],
          operationId: 'releaseDevice',
          summary: 'Let a device try again at once what it has quarantined or refused of a model',
          description:
            'Done when the device reports `sequence`; an offline device learns it when it returns.',
          params: Type.Object({ id: DeviceId }),
          body: DeviceReleaseRequest,
          response: { 202: DeviceRelease },
        },
      },
      async (request, reply) => {
        void reply.code(202);
        const { quarantined, ...rest } = await releases.release(
          request.params.id,
          request.body.model,
          request.actor,
        );
        return { ...rest, quarantined: [...quarantined] };
      },
    );
  };
}
