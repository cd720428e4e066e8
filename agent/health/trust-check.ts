/** Until when the trust metadata that this device has verified is good, role by role, and who can renew what has ended. */
import { dataFolder } from '../config/data-folder.ts';
import { roleExpiry } from '../trust/role-expiry.ts';
import { VerifiedFiles, type VerifiedSet } from '../trust/verified-files.ts';
import { type Check, failed } from './check.ts';

const name = 'trust';
/** Signed by people with keys the hub does not have. */
const offline = ['root', 'targets', 'publisher'] as const;
/** Signed by the hub, again and again. */
const online = ['snapshot', 'timestamp'] as const;
type Role = (typeof offline)[number] | (typeof online)[number];
const ENDS_SOON_MS = 30 * 86_400_000;

export async function checkTrust(data: string, nowMs: number): Promise<Check> {
  try {
    return judge(await new VerifiedFiles(dataFolder(data).trust).load(), nowMs);
  } catch (error) {
    return failed(name, error, 'Enrol the device again: the pinned root is missing or unreadable.');
  }
}

function judge(set: VerifiedSet, nowMs: number): Check {
  const ends = (role: Role) => roleExpiry(set[role]);
  const isOver = (role: Role, ms = nowMs) => (ends(role) ?? Number.POSITIVE_INFINITY) <= ms;
  const named = (roles: readonly Role[]) =>
    roles.map((role) => `${role} (${new Date(ends(role)!).toISOString()})`).join(', ');
  const ended = offline.filter((role) => isOver(role));
  if (ended.length > 0) {
    return {
      name,
      verdict: 'fail',
      found: `expired, and only a person can renew it: ${named(ended)}. Installed versions keep running; new ones are not installed`,
      wayOut:
        ended.length === 1 && ended[0] === 'publisher'
          ? 'Run "modelfleet trust refresh --key FILE", or publish or withdraw a version: each signs the publisher metadata again.'
          : 'The holders of the keys of these roles must sign them again. "modelfleet trust status" shows when each expires.',
    };
  }
  if (set.timestamp === undefined) {
    return {
      name,
      verdict: 'warn',
      found: 'the root is pinned, but no metadata has been verified yet',
      wayOut:
        'The agent receives the metadata when it first connects to the hub. Run "modelfleet-agent run".',
    };
  }
  const stale = online.filter((role) => isOver(role));
  if (stale.length > 0) {
    return {
      name,
      verdict: 'warn',
      found: `expired: ${named(stale)}. Installed versions keep running; new ones wait`,
      wayOut: 'Check that the hub is running: it renews them, and the agent receives them when it connects.',
    };
  }
  const soon = offline.filter((role) => isOver(role, nowMs + ENDS_SOON_MS));
  if (soon.length > 0) {
    return {
      name,
      verdict: 'warn',
      found: `metadata verified; expires soon: ${named(soon)}`,
      wayOut: 'The holders of the keys of these roles must sign them again before they expire.',
    };
  }
  const first = (roles: readonly Role[]) =>
    new Date(Math.min(...roles.flatMap((role) => ends(role) ?? []))).toISOString();
  const found = `metadata verified, valid until ${first(offline)}; the hub renews its part, before ${first(online)}`;
  return { name, verdict: 'ok', found };
}
