/**
 * Puts refusals together by kind and by whom they concern: the first of a group is due at once, those after it in rows that come
 * ever more rarely, so that one who goes on for ever makes one row an hour. Groups and rows are bounded; what has none of
 * its own counts among the others of its kind. Pure but for what it remembers.
 */
import { limits } from '../../shared/base/limits.ts';
import { FrequentSubjects } from './frequent-subjects.ts';
import type { Refusal, RefusalKind } from './refusal.ts';

const ROW_EVERY_MS_MIN = 60_000;
const ROW_EVERY_MS_MAX = 3_600_000;
/** A group that was quiet this long is forgotten: the next refusal is a first one again. */
const QUIET_MS = ROW_EVERY_MS_MAX;
const REASONS_MAX = 3;
const AMONG_MAX = 3;

/** Some refusals of one kind, of one subject or of several. */
export interface RefusalSum {
  readonly kind: RefusalKind;
  /** Undefined: a stranger, or several. */
  readonly actor: string | undefined;
  /** Of the stranger, or where an identity was last used from. */
  readonly address: string | undefined;
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly first: number;
  readonly last: number;
  readonly reasons: readonly string[];
  /** For refusals of several subjects together: those with the most. */
  readonly among: readonly string[];
}

interface Group {
  readonly kind: RefusalKind;
  readonly actor: string | undefined;
  address: string | undefined;
  count: number;
  first: number;
  last: number;
  reasons: Set<string>;
  among: FrequentSubjects;
  /** Monotonic: from when its next row is due, how long after that one the next, and when it was last added to. */
  dueAt: number;
  everyMs: number;
  lastSeenAt: number;
}

export class RefusalGroups {
  /** By kind and subject, the most recent at the end. */
  readonly #groups = new Map<string, Group>();
  readonly #others = new Map<RefusalKind, Group>();
  #rowsLeft: number = limits.securityRowsAtOnceMax;
  #refilledAt: number | undefined;

  /** How many groups are remembered, without those of the others. */
  get size(): number {
    return this.#groups.size;
  }

  /** `at` in milliseconds since the epoch, `now` monotonic; returns when, monotonic, what was added is due. */
  add({ kind, actor, address, reason }: Refusal, at: number, now: number): number {
    const subject = actor ?? address ?? 'unknown';
    const key = `${kind} ${subject}`;
    let group = this.#groups.get(key);
    if (!group && this.#groups.size >= limits.securityGroupsMax) this.#forgetQuiet(now);
    if (!group && this.#groups.size < limits.securityGroupsMax)
      group = newGroup({ kind, actor, address }, now);
    if (group) {
      this.#groups.delete(key);
      this.#groups.set(key, group);
      if (address !== undefined) group.address = address;
    } else {
      group = this.#othersOf(kind, now);
      group.among.add(subject, 1);
    }
    if (group.count === 0) group.first = at;
    group.count += 1;
    group.last = at;
    group.lastSeenAt = now;
    keepSome(group.reasons, reason);
    return group.dueAt;
  }

  /** Monotonic time when the next row is due; Infinity when there is nothing to tell. */
  nextDueAt(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const group of this.#all()) if (group.count > 0) due = Math.min(due, group.dueAt);
    return due;
  }

  /** Takes what is due, or all there is when the hub stops: it is not told again. */
  take(now: number, { isLast = false } = {}): RefusalSum[] {
    this.#refill(now);
    const sums: RefusalSum[] = [];
    for (const group of this.#groups.values()) {
      if (group.count === 0 || !(isLast || group.dueAt <= now)) continue;
      if (this.#rowsLeft >= 1) {
        this.#rowsLeft -= 1;
        sums.push(takeSum(group));
      } else this.#giveToOthers(group, now);
      delay(group, now);
    }
    for (const group of this.#others.values()) {
      if (group.count === 0 || !(isLast || group.dueAt <= now)) continue;
      sums.push(takeSum(group));
      delay(group, now);
    }
    return sums;
  }

  *#all(): Generator<Group> {
    yield* this.#groups.values();
    yield* this.#others.values();
  }

  #giveToOthers(group: Group, now: number): void {
    const others = this.#othersOf(group.kind, now);
    const { count, first, last, reasons } = takeSum(group);
    if (others.count === 0) others.first = first;
    others.first = Math.min(others.first, first);
    others.last = Math.max(others.last, last);
    others.count += count;
    others.lastSeenAt = now;
    for (const reason of reasons) keepSome(others.reasons, reason);
    others.among.add(group.actor ?? group.address ?? 'unknown', count);
  }

  #othersOf(kind: RefusalKind, now: number): Group {
    let others = this.#others.get(kind);
    if (!others || (others.count === 0 && now - others.lastSeenAt >= QUIET_MS)) {
      others = newGroup({ kind, actor: undefined, address: undefined }, now);
      this.#others.set(kind, others);
    }
    return others;
  }

  #forgetQuiet(now: number): void {
    for (const [key, group] of this.#groups) {
      if (now - group.lastSeenAt < QUIET_MS) return;
      if (group.count === 0) this.#groups.delete(key);
    }
  }

  #refill(now: number): void {
    const passed = now - (this.#refilledAt ?? now);
    this.#refilledAt = now;
    const more = (passed / 3_600_000) * limits.securityRowsPerHourMax;
    this.#rowsLeft = Math.min(limits.securityRowsAtOnceMax, this.#rowsLeft + more);
  }
}

function newGroup(of: Pick<Group, 'kind' | 'actor' | 'address'>, now: number): Group {
  return {
    ...of,
    count: 0,
    first: 0,
    last: 0,
    reasons: new Set(),
    among: new FrequentSubjects(),
    dueAt: now,
    everyMs: ROW_EVERY_MS_MIN,
    lastSeenAt: now,
  };
}

function takeSum(group: Group): RefusalSum {
  const { kind, actor, address, count, first, last, reasons, among } = group;
  group.count = 0;
  group.reasons = new Set();
  group.among = new FrequentSubjects();
  return { kind, actor, address, count, first, last, reasons: [...reasons], among: among.most(AMONG_MAX) };
}

function delay(group: Group, now: number): void {
  // Quiet since long before its last row: not one who goes on for ever.
  if (now - group.dueAt >= QUIET_MS) group.everyMs = ROW_EVERY_MS_MIN;
  group.dueAt = now + group.everyMs;
  group.everyMs = Math.min(ROW_EVERY_MS_MAX, group.everyMs * 2);
}

function keepSome(set: Set<string>, text: string): void {
  if (set.size < REASONS_MAX) set.add(text);
}
