import { beforeEach, describe, expect, it } from 'vitest';
import { type Reader, ReadScheduler } from '../../../../hub/broker/read-scheduler.ts';
import { Unanswered } from '../../../../hub/broker/unanswered.ts';

const KIB = 1024;

describe('ReadScheduler', () => {
  let now: number;
  let turns: ReadScheduler;
  let unanswered: Unanswered;
  /** What is to be called in the next turn of the event loop. */
  let next: (() => void)[];
  /** Names of those that read, in order, and how much they were given at once. */
  let reads: string[];
  let shares: number[];
  beforeEach(() => {
    now = 0;
    next = [];
    reads = [];
    shares = [];
    unanswered = new Unanswered(100 * KIB);
    turns = new ReadScheduler({ unanswered, monotonic: () => now, nextTurn: (then) => next.push(then) });
  });

  /** A device whose socket holds so many bytes; reading takes a millisecond each time. */
  class Device implements Reader {
    readonly name: string;
    isBehind = false;
    unread: number;

    constructor(name: string, unread: number) {
      this.name = name;
      this.unread = unread;
    }

    readOn(): void {
      const share = turns.take(this);
      if (share === 0) return;
      now += 1;
      reads.push(this.name);
      shares.push(share);
      this.unread -= Math.min(share, this.unread);
      this.isBehind = this.unread > 0;
      if (this.isBehind) turns.wait(this);
    }
  }

  /** Returns those that read in one turn of the event loop. */
  const loop = (): string[] => {
    reads = [];
    now += 20;
    for (const then of next.splice(0)) then();
    return reads;
  };

  const arrive = (count: number, bytes: number) => {
    const devices = Array.from({ length: count }, (_, n) => new Device(`d${n}`, bytes));
    for (const device of devices) device.readOn();
    return devices;
  };

  it('lets one who is alone read at once', () => {
    arrive(1, 100);
    expect(reads).toEqual(['d0']);
    expect(loop()).toEqual([]);
    expect(next).toEqual([]);
  });

  it('reads for a few milliseconds in one turn of the event loop, and of all others in the next ones', () => {
    const devices = arrive(1_000, 200);
    expect(reads).toHaveLength(5);
    const perTurn: number[] = [];
    while (devices.some(({ unread }) => unread > 0)) perTurn.push(loop().length);
    expect(Math.max(...perTurn)).toBe(10);
    expect(perTurn).toHaveLength(100);
    loop();
    expect(next).toEqual([]);
  });

  it('reads shorter in one turn of those with much to say', () => {
    arrive(1_000, 10 * KIB);
    loop();
    expect([loop().length, loop().length]).toEqual([5, 5]);
  });

  it('gives each the less at once the more wait, and never less than a message needs', () => {
    arrive(1_000, 10 * KIB);
    expect(shares[0]).toBe(16 * KIB);
    loop();
    expect(new Set(shares.slice(5))).toEqual(new Set([512]));
  });

  it('serves a device with little to say before the burst of a thousand others', () => {
    arrive(1_000, 10 * KIB);
    loop();
    new Device('quiet', 200).readOn();
    expect(loop()).toContain('quiet');
  });

  it('lets neither those with little to say nor those with much wait for ever', () => {
    const loud = arrive(10, 10_000 * KIB);
    const reads = { loud: 0, quiet: 0 };
    for (let n = 0; n < 100; n += 1) {
      for (let q = 0; q < 10; q += 1) new Device(`quiet ${n} ${q}`, 200).readOn();
      for (const name of loop()) reads[name.startsWith('quiet') ? 'quiet' : 'loud'] += 1;
    }
    expect(reads.loud).toBeGreaterThan(100);
    expect(reads.quiet).toBeGreaterThan(700);
    expect(loud.every(({ unread }) => unread < 10_000 * KIB)).toBe(true);
  });

  it('does not count as quiet who waits for answers, or comes to the end of a burst', () => {
    const loud = arrive(1_000, 10 * KIB);
    loop();
    for (const device of loud) device.unread = Math.min(device.unread, 100);
    const waiting = new Device('waiting', 200);
    waiting.isBehind = true;
    waiting.readOn();
    new Device('quiet', 200).readOn();
    const order = loop();
    expect(order).toContain('quiet');
    expect(order).not.toContain('waiting');
  });

  it('reads nothing while all together have too much unanswered, and goes on when there is capacity', () => {
    for (let n = 0; n < 50; n += 1) unanswered.add(0, n);
    const [device] = arrive(1, 200);
    expect([reads, loop(), loop()]).toEqual([[], [], []]);
    expect(next).toEqual([]);
    unanswered.remove(0, 49);
    expect(loop()).toEqual(['d0']);
    expect(device!.unread).toBe(0);
  });

  it('forgets who has gone', () => {
    const [, gone] = arrive(20, 10 * KIB);
    turns.leave(gone!);
    gone!.unread = 0;
    reads = [];
    for (let n = 0; n < 20; n += 1) expect(loop()).not.toContain('d1');
  });
});

describe('Unanswered', () => {
  it('gives each device the less the more devices have something unanswered, and always a few', () => {
    const unanswered = new Unanswered();
    const most = () => unanswered.messagesPerDeviceMax;
    expect(most()).toBe(256);
    for (let n = 0; n < 10; n += 1) unanswered.add(100, 0);
    expect(most()).toBe(256);
    for (let n = 0; n < 90; n += 1) unanswered.add(100, 0);
    expect(most()).toBe(25);
    for (let n = 0; n < 900; n += 1) unanswered.add(100, 0);
    expect(most()).toBe(4);
    // A device counts once, whatever it has.
    for (let n = 0; n < 999; n += 1) unanswered.add(100, 1);
    for (let n = 0; n < 999; n += 1) unanswered.remove(100, 1);
    for (let n = 0; n < 1_000; n += 1) unanswered.remove(100, 0);
    expect(most()).toBe(256);
    expect([unanswered.messages, unanswered.bytes]).toEqual([0, 0]);
  });

  it('counts what a message takes beside its bytes', () => {
    const unanswered = new Unanswered(64 * KIB);
    for (let n = 0; n < 32; n += 1) unanswered.add(0, n);
    expect(unanswered.isFull).toBe(true);
  });
});
