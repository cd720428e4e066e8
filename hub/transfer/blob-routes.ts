/** `/api/v1/blobs`: publishers upload the chunks of a version before they publish it. */
import { Type } from 'typebox';
import { BlobQuery, BlobStored, MissingBlobs } from '../../shared/api/blobs.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { Digest } from '../../shared/base/names.ts';
import type { Routes } from '../http/routes.ts';
import type { BlobLedger } from './blob-ledger.ts';

const tags = ['models'];
/** A digest in quotes, a comma, and a line of its own with some indent. */
const DIGEST_BYTES = 80;

export function blobRoutes(ledger: Pick<BlobLedger, 'missing' | 'put'>): Routes {
  return (api) => {
    api.post(
      '/blobs/missing',
      {
        config: { role: 'publisher' },
        bodyLimit: limits.digestsPerQueryMax * DIGEST_BYTES,
        schema: {
          tags,
          operationId: 'findMissingBlobs',
          summary: 'Which of these chunks the hub does not hold',
          description: 'It keeps the others for you as long as it keeps uploads.',
          body: BlobQuery,
          response: { 200: MissingBlobs },
        },
      },
      async (request) => {
        return { missing: await ledger.missing(request.body.digests) };
      },
    );
    api.put(
      '/blobs/:sha256',
      {
        config: {
          role: 'publisher',
          accepts: 'application/octet-stream',
          errors: ['upload_quota_exceeded', 'storage_quota_exceeded'],
        },
        bodyLimit: limits.chunkBytes,
        schema: {
          tags,
          operationId: 'uploadBlob',
          summary: 'Upload a chunk',
          description: '201 when the hub did not hold it before.',
          params: Type.Object({ sha256: Digest }),
          body: Type.Unsafe<unknown>({ description: 'The bytes of the chunk' }),
          response: { 200: BlobStored, 201: BlobStored },
        },
      },
      async (request, reply) => {
        const { sha256 } = request.params;
        if (!Buffer.isBuffer(request.body)) {
          throw new AppError(
            'bad_input',
            `Cannot store chunk "${sha256}": the request has no body, expected the bytes of the chunk.`,
          );
        }
        if (await ledger.put(sha256, request.body, request.actor.name)) void reply.code(201);
        return { stored: sha256 };
      },
    );
  };
}
