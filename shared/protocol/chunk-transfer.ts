/**
 * Transfer is a pull with credit. The device asks on `chunk/get` for at most `limits.chunksInFlightPerDevice` chunks
 * of an artifact it was offered; each comes back as raw bytes on `chunk/<digest>` (QoS 0: the device asks again for what did not
 * come). A request the hub cannot serve is answered on `chunk/error`; `busy` with a wait is never a device's failure.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { Digest } from '../base/names.ts';
import { jsonParser } from '../base/parse.ts';

/** `manifest` is the manifest digest of the version the chunks belong to; the manifest itself is fetched by listing
 * its own digest in `chunks`. */
export const ChunkRequest = Type.Object({
  v: Type.Literal(1),
  request: Type.Integer({ minimum: 1 }),
  manifest: Digest,
  chunks: Type.Array(Digest, { minItems: 1, maxItems: limits.chunksInFlightPerDevice }),
});
export type ChunkRequest = Static<typeof ChunkRequest>;
export const parseChunkRequest = jsonParser(ChunkRequest, 'chunk request', limits.controlMessageBytesMax);

export const ChunkError = Type.Object({
  v: Type.Literal(1),
  request: Type.Integer({ minimum: 1 }),
  /** `busy`: ask again after `retryAfterMs`. `not_offered`: the device's desired state does not name this version.
   * `missing`: the hub has no such chunk of it. */
  code: Type.Union([Type.Literal('busy'), Type.Literal('not_offered'), Type.Literal('missing')]),
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000 })),
});
export type ChunkError = Static<typeof ChunkError>;
export const parseChunkError = jsonParser(ChunkError, 'chunk error', limits.controlMessageBytesMax);
