/** `/api/v1/trust`: what the hub signs with, taking on a trust root, and the current metadata files. */

import { Type } from 'typebox';
import { base64Chars } from '../../shared/api/base64-file.ts';
import {
  HubKeys,
  PublisherMetadata,
  PublisherRefreshed,
  TrustFiles,
  TrustInitialised,
  TrustStatus,
} from '../../shared/api/trust.ts';
import { limits } from '../../shared/base/limits.ts';
import { trustTopics } from '../../shared/protocol/trust-metadata.ts';
import { created } from '../http/created.ts';
import type { Routes } from '../http/routes.ts';
import type { OnlineKeys } from './online-keys.ts';
import { publisherMetadataErrors } from './publisher-metadata-errors.ts';
import { notInitialised, type TufRepository } from './tuf-repository.ts';

const tags = ['trust'];
const fileCharsMax = base64Chars(limits.tufFileBytesMax);

export function trustRoutes(services: {
  readonly repository: TufRepository;
  readonly keys: OnlineKeys;
}): Routes {
  const { repository, keys } = services;
  return (api) => {
    api.get(
      '/trust',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'getTrust',
          summary: 'Version and expiry of each trust role',
          response: { 200: TrustStatus },
        },
      },
      async () => {
        const roles = await repository.status();
        const nextPublisherVersion = await repository.nextPublisherVersion();
        return {
          initialised: roles.length > 0,
          ...(nextPublisherVersion === undefined ? {} : { nextPublisherVersion }),
          roles,
        };
      },
    );
    api.get(
      '/trust/keys',
      {
        config: { role: 'publisher' },
        schema: {
          tags,
          operationId: 'getHubKeys',
          summary: 'Public halves of the keys the hub signs with',
          response: { 200: HubKeys },
        },
      },
      () => keys.publicKeys,
    );
    api.post(
      '/trust',
      {
        config: {
          role: 'admin',
          errors: [
            'trust_exists',
            'metadata_invalid',
            'metadata_expired',
            'signature_invalid',
            'key_unreadable',
          ],
        },
        bodyLimit: 4 * fileCharsMax + limits.httpBodyBytesMax,
        schema: {
          tags,
          operationId: 'initialiseTrust',
          summary: 'Take on a trust root, once',
          body: TrustFiles,
          response: { 201: TrustInitialised },
        },
      },
      async (request, reply) => {
        const { root, targets, publisher, director } = request.body;
        await repository.initialise(
          {
            root: Buffer.from(root, 'base64'),
            targets: Buffer.from(targets, 'base64'),
            publisher: Buffer.from(publisher, 'base64'),
            director: Buffer.from(director, 'base64'),
          },
          request.actor,
        );
        created(reply, 'trust');
        return { initialised: true as const };
      },
    );
    api.post(
      '/trust/publisher',
      {
        config: {
          role: 'publisher',
          errors: [...publisherMetadataErrors],
        },
        bodyLimit: fileCharsMax + limits.httpBodyBytesMax,
        schema: {
          tags,
          operationId: 'refreshPublisherMetadata',
          summary: 'Take publisher metadata that says the same, signed anew',
          body: PublisherMetadata,
          response: { 200: PublisherRefreshed },
        },
      },
      async (request) => {
        await repository.refreshPublisher(Buffer.from(request.body.metadata, 'base64'), request.actor);
        return { refreshed: true as const };
      },
    );
    api.get(
      '/trust/:role',
      {
        config: { role: 'viewer', errors: ['trust_not_initialised'] },
        schema: {
          tags,
          operationId: 'getTrustMetadata',
          summary: 'The current file of a trust role, as signed',
          params: Type.Object({ role: Type.Union(trustTopics.map((topic) => Type.Literal(topic))) }),
          response: { 200: Type.Unknown() },
        },
      },
      async (request, reply) => {
        const bytes = await repository.current(request.params.role);
        if (!bytes) throw notInitialised();
        return reply.type('application/json').send(Buffer.from(bytes));
      },
    );
  };
}
