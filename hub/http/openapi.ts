/** The description of the API, made from the schemas that the routes are checked with: `/openapi.json` and a page at `/docs`. */
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { Type } from 'typebox';
import { describeOperation, finishDocument } from './openapi-document.ts';

/** What the tags of the operations stand for; an operation with another tag cannot be registered. */
const tags = [
  { name: 'access', description: 'API tokens, and who the caller is' },
  { name: 'alerts', description: 'Objectives of models, alerts, silences and notifications' },
  { name: 'audit', description: 'The log of everything that people and the hub did' },
  { name: 'devices', description: 'Devices, their groups, and how they enrol' },
  { name: 'hub', description: 'The state of the hub itself: probes, metrics, retention, this description' },
  { name: 'models', description: 'Models, their signed versions, and the chunks they are made of' },
  { name: 'rollouts', description: 'Bringing a version to devices in phases' },
  { name: 'telemetry', description: 'What devices report of a model, and whether its inputs have drifted' },
  { name: 'trust', description: 'The TUF roles that versions are signed under' },
] as const;

const about = `Fleet manager for ML models on devices.

Requests carry an API token: \`Authorization: Bearer mft_…\`. Its role says what it may do: viewer reads, operator runs devices and
rollouts, publisher adds and withdraws versions, admin may do all. Each operation names the lowest role that may call it.

Every refusal is a problem (RFC 9457, \`application/problem+json\`) with a \`code\` that keeps its meaning, what to do about it, and the id of
the request. Fields and query parameters that an operation does not name are refused. Every GET answers HEAD as well, every path
answers OPTIONS, and another method is refused with 405; both name the methods of the path in \`Allow\`. A request that cannot be read
as HTTP is answered with 400, 408 (not complete in time) or 431 (headers too large).`;

/** The page runs its own scripts and styles, and asks the hub it comes from; nothing inline, and no other host. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // One attribute that swagger-ui sets on an element of its own, known by its content.
  "style-src-attr 'unsafe-hashes' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Must be registered before the routes it describes. */
export async function addOpenApi(
  app: FastifyInstance,
  { version, publicUrl = '' }: { readonly version: string; readonly publicUrl?: string },
): Promise<void> {
  app.addHook('onRoute', checkOperation);
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'modelfleet hub',
        version,
        summary: 'Fleet manager for ML models on devices',
        description: about,
        contact: { name: 'modelfleet maintainers' },
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [
        ...(publicUrl === '' ? [] : [{ url: publicUrl, description: 'The hub under its public URL' }]),
        { url: '/', description: 'The hub that this description comes from' },
      ],
      tags: [...tags],
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'API token' } },
      },
    },
    transform: describeOperation,
    transformObject: (documents) =>
      'openapiObject' in documents ? finishDocument(documents.openapiObject) : documents.swaggerObject,
  });
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: pagePolicy,
    theme: {
      title: 'modelfleet hub',
      // The bar offers to load descriptions of other servers, which the page's content policy forbids.
      css: [{ filename: 'modelfleet.css', content: '.swagger-ui .topbar { display: none; }' }],
    },
  });
  app.get(
    '/openapi.json',
    {
      schema: {
        operationId: 'getOpenApi',
        tags: ['hub'],
        summary: 'Get this description',
        description: 'OpenAPI 3.1.',
        response: { 200: Type.Object({ openapi: Type.String() }, { additionalProperties: true }) },
      },
    },
    () => app.swagger(),
  );
}

/** What is not described cannot be registered. Throws for a route without operationId, summary or a known tag. */
function checkOperation({ method, url, schema }: RouteOptions): void {
  if (schema?.hide || url.startsWith('/docs')) return;
  const known = tags.map(({ name }) => name as string);
  const lacks =
    (!/^[a-z][A-Za-z]+$/.test(schema?.operationId ?? '') && 'operationId in camelCase') ||
    (!schema?.summary && 'summary') ||
    (!schema?.tags?.every((tag) => known.includes(tag)) && `tag of ${known.join(', ')}`);
  if (lacks)
    throw new Error(`Route ${String(method)} ${url} has no ${lacks}: set it in the schema of the route.`);
}
