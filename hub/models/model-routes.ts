/** `/api/v1/models`: the registry. */
import { Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { Digest, ModelName, SemVer } from '../../shared/base/names.ts';
import type { Routes } from '../http/routes.ts';
import type { ModelService } from './model-service.ts';
import type { VersionSummary } from './model-store.ts';

const tags = ['models'];
const base64Chars = (bytes: number) => Math.ceil(bytes / 3) * 4;
const base64 = (bytesMax: number) =>
  Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: base64Chars(bytesMax) });
const manifestCharsMax = base64Chars(limits.manifestBytesMax);
const metadataCharsMax = base64Chars(limits.tufFileBytesMax);

const VersionBody = Type.Object({
  model: ModelName,
  version: SemVer,
  release: Type.Integer(),
  manifestSha256: Digest,
  publishedAt: Type.Integer({ description: 'Milliseconds since the epoch' }),
  publishedBy: Type.String(),
  withdrawn: Type.Optional(Type.Object({ at: Type.Integer(), reason: Type.String() })),
});
const versionParams = Type.Object({ model: ModelName, version: SemVer });

export function modelRoutes(models: ModelService): Routes {
  return (api) => {
    api.get(
      '/models',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'Models, each with its number of versions and its newest one',
          response: {
            200: Type.Object({
              models: Type.Array(
                Type.Object({ model: ModelName, versions: Type.Integer(), newest: VersionBody }),
              ),
            }),
          },
        },
      },
      async () => ({ models: byModel(await models.list()) }),
    );
    api.get(
      '/models/:model',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'Versions of a model, by release',
          params: Type.Object({ model: ModelName }),
          response: { 200: Type.Object({ model: ModelName, versions: Type.Array(VersionBody) }) },
        },
      },
      async (request) => {
        const { model } = request.params;
        const versions = await models.list(model);
        if (versions.length === 0) throw notFound(model);
        return { model, versions };
      },
    );
    api.post(
      '/models/:model/versions',
      {
        config: { role: 'publisher' },
        bodyLimit: manifestCharsMax + metadataCharsMax + limits.httpBodyBytesMax,
        schema: {
          tags,
          summary: 'Publish a version whose chunks are uploaded',
          description:
            '`metadata` is the next publisher metadata, signed by the publisher, which names the manifest.',
          params: Type.Object({ model: ModelName }),
          body: Type.Object({
            manifest: base64(limits.manifestBytesMax),
            metadata: base64(limits.tufFileBytesMax),
            breaking: Type.Optional(
              Type.Boolean({
                description: 'Although the interface breaks clients of the newest version before it',
              }),
            ),
          }),
          response: { 200: VersionBody },
        },
      },
      async (request) => {
        const { breaking } = request.body;
        const manifest = Buffer.from(request.body.manifest, 'base64');
        const metadata = Buffer.from(request.body.metadata, 'base64');
        return withoutManifest(
          await models.publish({ model: request.params.model, manifest, metadata, breaking }, request.actor),
        );
      },
    );
    api.get(
      '/models/:model/versions/:version',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'A version: its manifest and figures',
          params: versionParams,
          response: {
            200: Type.Intersect([
              VersionBody,
              Type.Object({
                bytes: Type.Integer({ description: 'Bytes of all artifacts' }),
                manifest: Type.Unknown(),
              }),
            ]),
          },
        },
      },
      async (request) => {
        const { model, version } = request.params;
        const found = await models.find(model, version);
        if (!found) throw notFound(`${model} ${version}`);
        const bytes = found.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
        return { ...found, bytes };
      },
    );
    api.post(
      '/models/:model/versions/:version/withdraw',
      {
        config: { role: 'publisher' },
        bodyLimit: metadataCharsMax + limits.httpBodyBytesMax,
        schema: {
          tags,
          summary: 'Withdraw a version: devices no longer install it',
          params: versionParams,
          body: Type.Object({
            reason: Type.String({ minLength: 1, maxLength: limits.withdrawReasonCharsMax }),
            metadata: base64(limits.tufFileBytesMax),
          }),
          response: { 200: VersionBody },
        },
      },
      async (request) => {
        const { reason, metadata } = request.body;
        const withdrawn = await models.withdraw(
          { ...request.params, reason },
          Buffer.from(metadata, 'base64'),
          request.actor,
        );
        return withoutManifest(withdrawn);
      },
    );
  };
}

function byModel(versions: readonly VersionSummary[]) {
  const found = new Map<string, { model: string; versions: number; newest: VersionSummary }>();
  for (const version of versions) {
    const versionsSoFar = found.get(version.model)?.versions ?? 0;
    found.set(version.model, { model: version.model, versions: versionsSoFar + 1, newest: version });
  }
  return [...found.values()];
}

function withoutManifest<T extends { manifest: unknown }>({ manifest: _manifest, ...rest }: T) {
  return rest;
}

function notFound(what: string): AppError {
  return new AppError('not_found', `Cannot find ${what}: it is not published.`);
}
