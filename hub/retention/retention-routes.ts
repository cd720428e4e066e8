/** `/api/v1/hub/gc`: what the hub keeps no longer. */
import { Type } from 'typebox';
import type { Routes } from '../http/routes.ts';
import type { Retention } from './retention.ts';

const KindReportBody = Type.Object({
  kind: Type.String(),
  rule: Type.String({ description: 'When one leaves' }),
  count: Type.Integer({ description: 'What left; with `dryRun`, what would' }),
  bytes: Type.Integer(),
  oldestAt: Type.Optional(Type.Integer({ description: 'Milliseconds since the epoch' })),
  isMore: Type.Boolean({ description: 'There is more: ask again' }),
  failed: Type.Optional(Type.String({ description: 'Error code, when this kind could not leave' })),
});

export function retentionRoutes(retention: Pick<Retention, 'preview' | 'collect'>): Routes {
  return (api) => {
    api.post(
      '/hub/gc',
      {
        config: { role: 'admin' },
        schema: {
          tags: ['hub'],
          summary: 'Let leave what was kept as long as the hub’s options say',
          description:
            'The hub does so by itself every minute. With `dryRun` nothing changes: the answer says what would leave.',
          body: Type.Object({ dryRun: Type.Optional(Type.Boolean()) }),
          response: { 200: Type.Object({ dryRun: Type.Boolean(), kinds: Type.Array(KindReportBody) }) },
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
