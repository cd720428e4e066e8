/**
 * What the hub tells one connection of a device, on `command` (QoS 1). Nobody signs it: an agent takes it as a hint about its
 * connection and never acts on models because of it.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { Timestamp } from '../base/names.ts';
import { jsonParser } from '../base/parse.ts';

export const HubCommand = Type.Object({
  v: Type.Literal(1),
  /** `identity-shared`: agents of more than one start connect as this device, in turn. */
  command: Type.Literal('identity-shared'),
  at: Timestamp,
  /** From where they connect, as the hub sees it. */
  addresses: Type.Array(Type.String({ maxLength: 64 }), { maxItems: limits.agentsPerIdentityMax }),
});
export type HubCommand = Static<typeof HubCommand>;
export const parseHubCommand = jsonParser(HubCommand, 'command of the hub', limits.controlMessageBytesMax);
