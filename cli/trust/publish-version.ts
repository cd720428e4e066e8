/** Publishing and withdrawing from the publisher's side: upload, sign here, send. */
import type { KeyObject } from 'node:crypto';
import { VersionSummary } from '../../shared/api/models.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { addVersion, refreshPublisher, withdrawVersion } from '../../shared/tuf/published-targets.ts';
import { answerParser } from '../answer-parser.ts';
import type { HubClient } from '../context.ts';
import type { PackedVersion } from '../packing/packed-version.ts';
import { signAndSend } from './publisher-signing.ts';
import { type UploadProgress, uploadChunks } from './upload-chunks.ts';

const parseVersion = answerParser(VersionSummary);

export interface PublisherTools {
  readonly hub: HubClient;
  readonly key: KeyObject;
  readonly keyFile: string;
  readonly now: () => number;
}

export interface PublishOptions {
  readonly onProgress?: (progress: UploadProgress) => void;
  /** The interface may break clients of the version before. */
  readonly breaking?: boolean | undefined;
}

/** As often as chunks are uploaded that left the hub before the version named them, for the line was slow. */
const UPLOAD_TRIES = 2;

/** Uploads what is missing, signs and publishes. Throws the hub's refusals and those of signing. */
export async function publishVersion(
  packed: PackedVersion,
  tools: PublisherTools,
  { onProgress = () => undefined, breaking }: PublishOptions = {},
): Promise<VersionSummary & { readonly uploadedBytes: number }> {
  const { hub, now } = tools;
  const { model, version, release } = packed.manifest;
  const manifest = Buffer.from(packed.manifestBytes).toString('base64');
  let uploadedBytes = 0;
  for (let attempt = 1; ; attempt += 1) {
    uploadedBytes += await uploadChunks(packed, hub, onProgress);
    try {
      const answer = await signAndSend(tools, {
        change: (current, number) =>
          addVersion(current, { model, version, release, manifest: packed.manifestBytes }, now(), number),
        send: (metadata) =>
          hub.post(`/models/${model}/versions`, {
            manifest,
            metadata: metadata.toString('base64'),
            breaking,
          }),
      });
      return { ...parseVersion(answer), uploadedBytes };
    } catch (error) {
      if (!isAppError(error, 'chunks_missing') || attempt === UPLOAD_TRIES) throw error;
    }
  }
}

/**
 * Signs what the publisher's metadata says once more: for another year, and with `restored` also above what this key was seen to
 * sign before the hub was set back. Returns the new version number. Throws the hub's refusals and those of signing.
 */
export async function refreshMetadata(
  tools: PublisherTools,
  { restored }: { readonly restored: boolean },
): Promise<number> {
  return signAndSend(
    { ...tools, restored },
    {
      change: (current, number) => refreshPublisher(current, tools.now(), number),
      send: async (metadata, number) => {
        await tools.hub.post('/trust/publisher', { metadata: metadata.toString('base64') });
        return number;
      },
    },
  );
}

/** Signs that a version is withdrawn. Throws the hub's refusals and those of signing. */
export async function sendWithdrawal(
  target: { readonly model: string; readonly version: string; readonly reason: string },
  tools: PublisherTools,
): Promise<VersionSummary> {
  const { model, version, reason } = target;
  const answer = await signAndSend(tools, {
    change: (current, number) => withdrawVersion(current, target, tools.now(), number),
    send: (metadata) =>
      tools.hub.post(
        `/models/${encodeURIComponent(model)}/versions/${encodeURIComponent(version)}/withdraw`,
        {
          reason,
          metadata: metadata.toString('base64'),
        },
      ),
  });
  return parseVersion(answer);
}
