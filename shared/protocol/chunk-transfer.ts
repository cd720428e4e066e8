/**
 * Transfer is a pull with credit. The device asks on `chunk/get` for at most `limits.chunksInFlightPerDevice` chunks
 * of an artifact it was offered; each comes back as raw bytes on `chunk/<digest>` (QoS 0: the device asks again for what did not
 * come). What the hub cannot serve is answered on `chunk/error`. A request that the hub cannot serve at once stands in line;
 * `queued` says so, and the chunks come when its turn does. Neither it nor `busy` is ever a device's failure.
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
  /** True when the device knows the answer `queued`; to another one the hub says nothing, and it asks again now and then. */
  queue: Type.Optional(Type.Boolean()),
});
export type ChunkRequest = Static<typeof ChunkRequest>;
export const parseChunkRequest = jsonParser(ChunkRequest, 'chunk request', limits.controlMessageBytesMax);

export const ChunkError = Type.Object({
  v: Type.Literal(1),
  request: Type.Integer({ minimum: 1 }),
  /** `queued`: the chunks come when it is the device's turn; should they not have by `retryAfterMs`, ask again. `busy`, of
   * older hubs: ask again after `retryAfterMs`. `not_offered`: the device's desired state does not name this
   * version. `missing`: the hub has no such chunk of it. */
  code: Type.Enum(['queued', 'busy', 'not_offered', 'missing']),
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000 })),
});
export type ChunkError = Static<typeof ChunkError>;
export const parseChunkError = jsonParser(ChunkError, 'chunk error', limits.controlMessageBytesMax);
