/** The description of the API, made from the schemas the routes are checked with: `/openapi.json` and a page at `/docs`. */
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';

/** Must be registered before the routes it describes. */
export async function addOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'modelfleet hub', version, description: 'Fleet manager for ML models on devices' },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'API token' } },
      },
    },
    transform: ({ schema, url, route }) => {
      const role = route.config?.role;
      if (!schema || !role || role === 'public') return { schema, url };
      const description = [schema.description, `Lowest role: ${role}.`].filter(Boolean).join(' ');
      return { schema: { ...schema, description, security: [{ token: [] }] }, url };
    },
  });
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    theme: {
      title: 'modelfleet hub',
      // The bar offers to load descriptions of other servers, which the page's content policy forbids.
      css: [{ filename: 'modelfleet.css', content: '.swagger-ui .topbar { display: none; }' }],
    },
  });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}
