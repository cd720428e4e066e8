/** `/api/v1/slos`: objectives of models, and what is left of their error budgets. */
import { Type } from 'typebox';
import { Objectives, SloPage, SloStatus } from '../../shared/api/slos.ts';
import { GroupName, ModelName } from '../../shared/base/names.ts';
import { pageQuery } from '../http/page.ts';
import type { Routes } from '../http/routes.ts';
import { positionOf, type Sorts, sortedPage, sortQuery } from '../http/sorting.ts';
import type { ObjectiveService } from './objective-service.ts';
import { subjectOf } from './slo-scope.ts';

const tags = ['alerts'];
const params = Type.Object({ model: ModelName });
const querystring = Type.Object({
  group: Type.Optional({ ...GroupName, description: 'Of devices of this group; by default of all devices' }),
});

const sorts: Sorts<SloStatus> = {
  model: { columns: ['model', 'group'], valuesOf: ({ model, group = '' }) => [model, group] },
};

export function objectiveRoutes(objectives: ObjectiveService): Routes {
  return (api) => {
    api.get(
      '/slos',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listSlos',
          summary:
            'Error budgets of every model that devices run and of groups with objectives, as last evaluated',
          querystring: Type.Object({ ...sortQuery(sorts, 'model'), ...pageQuery }),
          response: { 200: SloPage },
        },
      },
      async (request) => {
        const { sort, limit } = request.query;
        const { after, isDescending } = positionOf(sorts, request.query);
        const place = after && subjectOf({ model: String(after[0]), group: String(after[1]) || undefined });
        const latest = isDescending ? objectives.latest().toReversed() : objectives.latest();
        const rows = latest.filter((slo) => {
          const subject = subjectOf(slo);
          return place === undefined || (isDescending ? subject < place : subject > place);
        });
        const { rows: slos, ...rest } = sortedPage(sorts, { sort, limit }, rows);
        return { slos, ...rest };
      },
    );
    api.get(
      '/slos/:model',
      {
        config: { role: 'viewer', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'getSlo',
          summary: 'Objectives of a model, burn rates and what is left of its error budgets',
          params,
          querystring,
          response: { 200: SloStatus },
        },
      },
      (request) => objectives.show({ ...request.params, ...request.query }),
    );
    api.put(
      '/slos/:model',
      {
        config: { role: 'operator', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'setSlo',
          summary: 'Set all objectives of a model; what is left out is not watched',
          params,
          querystring,
          body: Objectives,
          response: { 200: SloStatus },
        },
      },
      (request) => objectives.set({ ...request.params, ...request.query }, request.body, request.actor),
    );
    api.delete(
      '/slos/:model',
      {
        config: { role: 'operator', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'resetSlo',
          summary: 'Use the objectives of the manifest again',
          params,
          querystring,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await objectives.reset({ ...request.params, ...request.query }, request.actor);
        return reply.code(204).send(null);
      },
    );
  };
}
