/**
 * The only characters that reach a topic, a file name or a log as an identity. Patterns are anchored schemas, shared by
 * every message and route, so that no second rule can grow beside them.
 */
import { type Static, Type } from 'typebox';
import { limits } from './limits.ts';

const nameOptions = { minLength: 1, maxLength: limits.nameCharsMax } as const;

/** 1–64 of `A-Z a-z 0-9 . _ -`; `.` and `..` alone are refused because ids become file names. */
export const DeviceId = Type.String({
  ...nameOptions,
  pattern: '^(?!\\.{1,2}$)[A-Za-z0-9._-]+$',
  description: 'Device id: letters, digits, ".", "_" and "-"',
});
export type DeviceId = Static<typeof DeviceId>;

/** Lower-case letters, digits and `-`, starting with a letter or digit. */
export const ModelName = Type.String({
  ...nameOptions,
  pattern: '^[a-z0-9][a-z0-9-]*$',
  description: 'Model name: lower-case letters, digits and "-", not "-" first',
});
export type ModelName = Static<typeof ModelName>;

/** Same characters as a device id. */
export const GroupName = Type.String({
  ...nameOptions,
  pattern: '^(?!\\.{1,2}$)[A-Za-z0-9._-]+$',
  description: 'Group name: letters, digits, ".", "_" and "-"',
});
export type GroupName = Static<typeof GroupName>;

/** Semantic version without build metadata (semver.org 2.0.0). */
export const SemVer = Type.String({
  maxLength: 64,
  pattern: '^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)(-[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?$',
  description: 'Semantic version such as 1.2.0 or 1.2.0-rc.1',
});
export type SemVer = Static<typeof SemVer>;

/** SHA-256 as 64 lower-case hex digits. */
export const Digest = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, lower-case hex' });
export type Digest = Static<typeof Digest>;

/** RFC 3339 time in UTC, without leap seconds: `Date.parse` can read each one that fits. */
export const Timestamp = Type.String({
  maxLength: 30,
  pattern:
    '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,3})?Z$',
  description: 'RFC 3339 time, UTC',
});
export type Timestamp = Static<typeof Timestamp>;

/** Id of a rollout: `r-` and lower-case hex. */
export const RolloutId = Type.String({
  pattern: '^r-[0-9a-f]{8,32}$',
  description: 'Rollout id such as r-0123456789ab',
});
export type RolloutId = Static<typeof RolloutId>;
