/**
 * How a feature adds its routes: a function that registers them on a Fastify scope below `/api/v1`. Schemas are TypeBox;
 * each route names its `config.role`, a `summary` and `tags`, and appears in `/openapi.json`.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';

export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export type Routes = (api: Api) => void;
