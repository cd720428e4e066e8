/** `/api/v1/hub/gc`: what the hub keeps no longer. */
import { RetentionReport, RetentionRequest } from '../../shared/api/retention.ts';
import type { Routes } from '../http/routes.ts';
import type { Retention } from './retention.ts';

export function retentionRoutes(retention: Pick<Retention, 'preview' | 'collect'>): Routes {
  return (api) => {
    api.post(
      '/hub/gc',
      {
        config: { role: 'admin' },
        schema: {
          tags: ['hub'],
          operationId: 'collectGarbage',
          summary: 'Let leave what was kept as long as the hub’s options say',
          description:
            'The hub does so by itself every minute. With `dryRun` nothing changes: the answer says what would leave.',
          body: RetentionRequest,
          response: { 200: RetentionReport },
        },
      },
      async (request) => {
        const { dryRun = false } = request.body;
        const kinds = dryRun ? await retention.preview() : await retention.collect(request.actor);
        return { dryRun, kinds };
      },
    );
  };
}
