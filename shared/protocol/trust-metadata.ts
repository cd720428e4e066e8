/**
 * TUF metadata over MQTT. One retained message a role on `mf/1/trust/<role>`: the role's current metadata file, as
 * bytes. `root` alone differs: it is `RootChain`, because a client walks every root from the one it was given, and
 * because "there is no newer root" must be sayable. Nothing here is trusted until tuf-js has verified it.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { jsonParser } from '../base/parse.ts';

/**
 * The last parts of trust topics. `director` is the raw file of the TUF target `director.json`; the others are roles.
 * The hub retains them in this order: who sees the new timestamp can see the rest.
 */
export const trustTopics = ['root', 'targets', 'publisher', 'director', 'snapshot', 'timestamp'] as const;
export type TrustTopic = (typeof trustTopics)[number];

const RootChain = Type.Object({
  v: Type.Literal(1),
  /** Version of the first entry; the others follow without a gap. Each entry is one root file's text. */
  first: Type.Integer({ minimum: 1 }),
  roots: Type.Array(Type.String({ maxLength: 512 * 1024 }), { minItems: 1, maxItems: limits.trustRootsMax }),
});
export type RootChain = Static<typeof RootChain>;

export const parseRootChain = jsonParser(RootChain, 'root chain', limits.trustMetadataBytesMax);
