/**
 * What the hub tells one connection of a device, on `command`. Nobody signs it: an agent takes it as a hint about its
 * connection and never acts on models because of it.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { Timestamp } from '../base/names.ts';
import { jsonParser } from '../base/parse.ts';

export const SharedIdentityCommand = Type.Object({
  v: Type.Literal(1),
  /** `identity-shared`: agents of more than one start connect as this device, in turn. */
  command: Type.Literal('identity-shared'),
  at: Timestamp,
  /** From where they connect, as the hub sees it. */
  addresses: Type.Array(Type.String({ maxLength: 64 }), { maxItems: limits.agentsPerIdentityMax }),
});
export type SharedIdentityCommand = Static<typeof SharedIdentityCommand>;

/**
 * `busy`: what the device sent is held until the hub can store it. The answers come then; sending it again, or over another connection,
 * makes nothing faster. Comes again as long as that is so.
 */
const BusyCommand = Type.Object({ v: Type.Literal(1), command: Type.Literal('busy') });

export const HubCommand = Type.Union([SharedIdentityCommand, BusyCommand]);
export type HubCommand = Static<typeof HubCommand>;
export const parseHubCommand = jsonParser(HubCommand, 'command of the hub', limits.controlMessageBytesMax);
