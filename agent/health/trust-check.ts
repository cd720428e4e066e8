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
      found: `expired, and only a person can renew it: ${named(ended)}. What runs goes on; no new version is installed`,
      wayOut:
        ended.length === 1 && ended[0] === 'publisher'
          ? 'Publish or withdraw a version: that signs the publisher’s metadata again.'
          : 'Whoever holds the keys of these roles signs them again; "modelfleet trust status" shows when each ends.',
    };
  }
  if (set.timestamp === undefined) {
    return {
      name,
      verdict: 'warn',
      found: 'the root is pinned; no metadata was verified yet',
      wayOut: 'It comes with the first connection to the hub; run "modelfleet-agent run".',
    };
  }
  const stale = online.filter((role) => isOver(role));
  if (stale.length > 0) {
    return {
      name,
      verdict: 'warn',
      found: `expired: ${named(stale)}. What runs goes on; new versions wait`,
      wayOut: 'The hub signs them anew as long as it runs; they come with the next connection.',
    };
  }
  const soon = offline.filter((role) => isOver(role, nowMs + ENDS_SOON_MS));
  if (soon.length > 0) {
    return {
      name,
      verdict: 'warn',
      found: `metadata verified; ends soon: ${named(soon)}`,
      wayOut: 'Whoever holds the keys of these roles signs them again before.',
    };
  }
  const first = Math.min(...[...offline, ...online].flatMap((role) => ends(role) ?? []));
  return { name, verdict: 'ok', found: `metadata verified, good until ${new Date(first).toISOString()}` };
}
