/** `/api/v1/devices`. */
import { Type } from 'typebox';
import { Device, DeviceChange, DevicePage, GroupPage } from '../../shared/api/devices.ts';
import { DeviceId, GroupName } from '../../shared/base/names.ts';
import { afterName, pageOf, pageQuery } from '../http/page.ts';
import type { CurrentThing } from '../http/preconditions.ts';
import type { Routes } from '../http/routes.ts';
import type { DeviceService } from './device-service.ts';

const tags = ['devices'];
const params = Type.Object({ id: DeviceId });

export function deviceRoutes(devices: DeviceService): Routes {
  const current: CurrentThing = { path: '/devices/:id', read: ({ id }) => devices.view(id!) };
  return (api) => {
    api.get(
      '/devices',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listDevices',
          summary: 'List devices, by id',
          querystring: Type.Object({
            group: Type.Optional(GroupName),
            after: afterName(DeviceId),
            ...pageQuery,
          }),
          response: { 200: DevicePage },
        },
      },
      async (request) => {
        const { limit } = request.query;
        const found = await devices.list({ ...request.query, limit: limit + 1 });
        const { rows, ...rest } = pageOf(found, limit, ({ id }) => id);
        return { devices: rows, ...rest };
      },
    );
    api.get(
      '/groups',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listGroups',
          summary: 'Groups that have devices, by name',
          querystring: Type.Object({ after: afterName(GroupName), ...pageQuery }),
          response: { 200: GroupPage },
        },
      },
      async (request) => {
        const { limit } = request.query;
        const found = await devices.groups({ ...request.query, limit: limit + 1 });
        const { rows, ...rest } = pageOf(found, limit, ({ group }) => group);
        return { groups: rows, ...rest };
      },
    );
    api.get(
      '/devices/:id',
      {
        config: { role: 'viewer', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'getDevice',
          summary: 'Show a device: facts, models, conditions, latest events',
          params,
          response: { 200: Device },
        },
      },
      (request) => devices.view(request.params.id),
    );
    api.patch(
      '/devices/:id',
      {
        config: { role: 'operator', current, errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'updateDevice',
          summary: 'Move a device to another group',
          params,
          body: DeviceChange,
          response: { 200: Device },
        },
      },
      async (request) => {
        await devices.move(request.params.id, request.body.group, request.actor);
        return devices.view(request.params.id);
      },
    );
    api.delete(
      '/devices/:id',
      {
        config: { role: 'operator', current, errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'deleteDevice',
          summary: 'Remove a device: its connection ends at once, its certificate is refused from then on',
          params,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await devices.remove(request.params.id, request.actor);
        return reply.code(204).send(null);
      },
    );
  };
}
