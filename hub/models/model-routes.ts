/** `/api/v1/models`: the registry. */

import { Type } from 'typebox';
import { base64Chars } from '../../shared/api/base64-file.ts';
import {
  ModelPage,
  PublishRequest,
  Version,
  VersionPage,
  VersionSummary,
  versionStates,
  WithdrawRequest,
} from '../../shared/api/models.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { ModelName, SemVer } from '../../shared/base/names.ts';
import { created } from '../http/created.ts';
import { pageQuery } from '../http/page.ts';
import type { Routes } from '../http/routes.ts';
import { positionOf, type Sorts, sortedPage, sortQuery } from '../http/sorting.ts';
import { publisherMetadataErrors } from '../signing/publisher-metadata-errors.ts';
import type { ModelService } from './model-service.ts';

const tags = ['models'];
const manifestCharsMax = base64Chars(limits.manifestBytesMax);
const metadataCharsMax = base64Chars(limits.tufFileBytesMax);

const modelSorts: Sorts<{ readonly model: string }> = {
  model: { columns: ['model'], valuesOf: ({ model }) => [model] },
};
const versionSorts: Sorts<VersionSummary> = {
  release: { columns: ['release'], valuesOf: ({ release }) => [release] },
  publishedAt: {
    columns: ['published_at', 'release'],
    valuesOf: ({ publishedAt, release }) => [publishedAt, release],
  },
};

const versionParams = Type.Object({ model: ModelName, version: SemVer });

export function modelRoutes(models: ModelService): Routes {
  return (api) => {
    api.get(
      '/models',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'listModels',
          summary: 'Models, each with its number of versions and its newest one',
          querystring: Type.Object({ ...sortQuery(modelSorts, 'model'), ...pageQuery }),
          response: { 200: ModelPage },
        },
      },
      async (request) => {
        const position = positionOf(modelSorts, request.query);
        const found = await models.models({ position, limit: request.query.limit + 1 });
        const { rows, ...rest } = sortedPage(modelSorts, request.query, found);
        return { models: rows, ...rest };
      },
    );
    api.get(
      '/models/:model',
      {
        config: { role: 'viewer', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'listVersions',
          summary: 'Versions of a model',
          params: Type.Object({ model: ModelName }),
          querystring: Type.Object({
            state: Type.Optional(Type.Enum([...versionStates])),
            ...sortQuery(versionSorts, 'release'),
            ...pageQuery,
          }),
          response: { 200: VersionPage },
        },
      },
      async (request) => {
        const { model } = request.params;
        const { sort: _, after: __, limit, ...filter } = request.query;
        const position = positionOf(versionSorts, request.query);
        const found = await models.list(model, { ...filter, position, limit: limit + 1 });
        if (found.length === 0 && !(await models.isKnown(model))) throw notFound(model);
        const { rows, ...rest } = sortedPage(versionSorts, request.query, found);
        return { model, versions: rows, ...rest };
      },
    );
    api.post(
      '/models/:model/versions',
      {
        config: {
          role: 'publisher',
          errors: [
            ...publisherMetadataErrors,
            'version_exists',
            'release_not_growing',
            'interface_breaking',
            'chunks_missing',
            'artifact_mismatch',
            'unsupported_version',
          ],
        },
        bodyLimit: manifestCharsMax + metadataCharsMax + limits.httpBodyBytesMax,
        schema: {
          tags,
          operationId: 'publishVersion',
          summary: 'Publish a version whose chunks are uploaded',
          description:
            '`metadata` is the next publisher metadata, signed by the publisher, which names the manifest.',
          params: Type.Object({ model: ModelName }),
          body: PublishRequest,
          response: { 201: VersionSummary },
        },
      },
      async (request, reply) => {
        const { breaking } = request.body;
        const manifest = Buffer.from(request.body.manifest, 'base64');
        const metadata = Buffer.from(request.body.metadata, 'base64');
        const version = await models.publish(
          { model: request.params.model, manifest, metadata, breaking },
          request.actor,
        );
        created(reply, 'models', version.model, 'versions', version.version);
        return withoutManifest(version);
      },
    );
    api.get(
      '/models/:model/versions/:version',
      {
        config: { role: 'viewer', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'getVersion',
          summary: 'A version: its manifest and figures',
          params: versionParams,
          response: { 200: Version },
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
        config: {
          role: 'publisher',
          errors: [...publisherMetadataErrors, 'not_found', 'version_withdrawn'],
        },
        bodyLimit: metadataCharsMax + limits.httpBodyBytesMax,
        schema: {
          tags,
          operationId: 'withdrawVersion',
          summary: 'Withdraw a version: devices no longer install it',
          params: versionParams,
          body: WithdrawRequest,
          response: { 200: VersionSummary },
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

function withoutManifest<T extends { manifest: unknown }>({ manifest: _manifest, ...rest }: T) {
  return rest;
}

function notFound(what: string): AppError {
  return new AppError('not_found', `Cannot find ${what}: it is not published.`);
}
