/** `/api/v1/devices`. */
import { Type } from 'typebox';
import { Device, DeviceChange, DevicePage, GroupPage } from '../../shared/api/devices.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { DeviceId, GroupName, ModelName, SemVer } from '../../shared/base/names.ts';
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
import type { DeviceService } from './device-service.ts';
import type { ScannedDevice } from './device-store.ts';

const tags = ['devices'];
const sorts: Sorts<ScannedDevice> = {
  id: { columns: ['id'], valuesOf: ({ id }) => [id] },
  enrolledAt: { columns: ['enrolled_at', 'id'], valuesOf: ({ enrolledAt, id }) => [enrolledAt, id] },
};
const groupSorts: Sorts<{ readonly group: string }> = {
  group: { columns: ['device_group'], valuesOf: ({ group }) => [group] },
};
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
          summary: 'List devices',
          querystring: Type.Object({
            group: Type.Optional(GroupName),
            model: Type.Optional({
              ...ModelName,
              description: 'Those whose desired state names the model',
            }),
            version: Type.Optional({
              ...SemVer,
              description: 'Those of `model` that are to run this version',
            }),
            connected: Type.Optional(
              Type.Boolean({
                description:
                  'Those that are connected, or are not. A page may then have fewer rows than `limit`, or none, and still a `next`.',
              }),
            ),
            ...sortQuery(sorts, 'id'),
            ...pageQuery,
          }),
          response: { 200: DevicePage },
        },
      },
      async (request) => {
        const { sort, after: _, limit, ...filter } = request.query;
        if (filter.version !== undefined && filter.model === undefined) throw versionAlone();
        const position = positionOf(sorts, request.query);
        const isIndexed = filter.connected === undefined && filter.model === undefined;
        const scanLimit = isIndexed ? limit + 1 : SCANNED_ROWS_MAX;
        const scanned = await devices.scan(filter, { position, limit: scanLimit });
        const { rows, ...rest } = scannedPage(
          sorts,
          { sort, limit },
          {
            rows: scanned,
            isWanted: ({ fits }) => fits,
            scanLimit,
          },
        );
        return { devices: await devices.summaries(rows.map(({ id }) => id)), ...rest };
      },
    );
    api.get(
      '/groups',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listGroups',
          summary: 'Groups that have devices',
          querystring: Type.Object({ ...sortQuery(groupSorts, 'group'), ...pageQuery }),
          response: { 200: GroupPage },
        },
      },
      async (request) => {
        const position = positionOf(groupSorts, request.query);
        const found = await devices.groups({ position, limit: request.query.limit + 1 });
        const { rows, ...rest } = sortedPage(groupSorts, request.query, found);
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

function versionAlone(): AppError {
  return new AppError(
    'bad_input',
    'Cannot list devices by "version" alone: versions of different models may have the same name. Add "model".',
  );
}
