import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HalfOpenBounds, HalfOpenConnections } from '../../../../hub/broker/half-open-connections.ts';

class Door {
  nowMs = 0;
  readonly begun: string[] = [];
  readonly refused: string[] = [];
  readonly connections: HalfOpenConnections<string>;

  constructor(bounds: Partial<HalfOpenBounds> = {}) {
    this.connections = new HalfOpenConnections({
      inAllMax: 100,
      perAddressMax: 50,
      atOnceMax: 4,
      atOncePerAddressMax: 2,
      atOncePerNetworkMax: 3,
      turnMsMax: 1_000,
      ...bounds,
      monotonic: () => this.nowMs,
      begin: (connection) => this.begun.push(connection),
      refuse: (connection, why) => this.refused.push(`${connection} ${why}`),
    });
  }

  /** Connections `<address>-1`, `<address>-2` … of an address. */
  enter(address: string, count: number): void {
    for (let n = 1; n <= count; n += 1) this.connections.enter(`${address}-${n}`, address);
  }
}

describe('half-open connections', () => {
  it('begin at once as many as are allowed, of one address fewer, and the others in turn', () => {
    const door = new Door();
    door.enter('a', 4);
    expect(door.begun).toEqual(['a-1', 'a-2']);
    door.connections.leave('a-2');
    expect(door.begun).toEqual(['a-1', 'a-2', 'a-3']);
    door.connections.leave('a-1');
    door.connections.leave('a-3');
    expect(door.begun).toEqual(['a-1', 'a-2', 'a-3', 'a-4']);
  });

  it('of an address that opens many and never finishes leave capacity for every other address', () => {
    const door = new Door();
    door.enter('attacker', 40);
    for (const address of ['b', 'c', 'd']) {
      door.enter(address, 1);
      expect(door.begun.at(-1)).toBe(`${address}-1`);
      door.connections.leave(`${address}-1`);
    }
  });

  it('take turns by address, not by who opened more', () => {
    const door = new Door({ atOnceMax: 1, atOncePerAddressMax: 1 });
    door.enter('many', 20);
    door.enter('few', 2);
    for (let n = 0; n < 4; n += 1) door.connections.leave(door.begun.at(-1)!);
    expect(door.begun).toEqual(['many-1', 'few-1', 'many-2', 'few-2', 'many-3']);
  });

  it('are refused past the bound of an address', () => {
    const door = new Door({ perAddressMax: 3 });
    door.enter('a', 4);
    door.enter('b', 3);
    expect(door.refused).toEqual(['a-4 of its address']);
    door.connections.leave('a-1');
    door.connections.enter('a-5', 'a');
    expect(door.refused).toHaveLength(1);
  });

  it('past the bound of all push out the one that has waited longest, and are refused where none waits', () => {
    const door = new Door({ inAllMax: 5 });
    door.enter('a', 4);
    door.enter('b', 3);
    expect(door.begun).toEqual(['a-1', 'a-2', 'b-1', 'b-2']);
    expect(door.refused).toEqual(['a-3 in all', 'a-4 in all']);
    expect(door.connections.size).toBe(5);
    const busy = new Door({ inAllMax: 2 });
    busy.enter('a', 3);
    expect([busy.begun, busy.refused]).toEqual([['a-1', 'a-2'], ['a-3 in all']]);
  });

  it('of somebody with a network of 48 bits, each from an address of its own, leave capacity and turns for all others', () => {
    const door = new Door();
    const flood = (count: number, from = 0) => {
      for (let n = from; n < from + count; n += 1)
        door.connections.enter(`evil-${n}`, `2001:db8:bad:${n.toString(16)}::1`);
    };
    flood(500);
    expect(door.begun).toEqual(['evil-0', 'evil-1', 'evil-2']);
    for (let n = 0; n < 10; n += 1) {
      door.enter(`2001:db8:${n + 1}:1::9`, 1);
      expect(door.begun.at(-1)).toBe(`2001:db8:${n + 1}:1::9-1`);
      flood(50, 1_000 + 50 * n);
      door.connections.leave(door.begun.at(-1)!);
    }
    expect(door.refused.every((one) => one.startsWith('evil-'))).toBe(true);
    expect(door.connections.size).toBeLessThanOrEqual(100);
  });

  it('that waited longer than a device does are refused when their turn comes, thousands as well as one', () => {
    const door = new Door({ inAllMax: 50_000, perAddressMax: 50_000 });
    door.enter('a', 30_000);
    door.nowMs = 1_001;
    door.connections.enter('fresh', 'a');
    door.connections.leave('a-1');
    expect(door.begun).toEqual(['a-1', 'a-2', 'fresh']);
    expect(door.refused).toHaveLength(29_998);
    expect(door.refused[0]).toBe('a-3 waited too long');
  });

  it('keep every bound, forget nobody and wait for nothing while there is capacity, in any order', () => {
    const step = fc.tuple(fc.constantFrom('enter', 'leave'), fc.constantFrom('a', 'b', 'c'), fc.nat(9));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const door = new Door({ inAllMax: 12, perAddressMax: 6 });
        const present = new Map<string, string>();
        let made = 0;
        for (const [act, address, at] of steps) {
          if (act === 'enter') {
            made += 1;
            const connection = `${address}#${made}`;
            present.set(connection, address);
            door.connections.enter(connection, address);
            for (const one of door.refused.splice(0)) present.delete(one.split(' ')[0]!);
          } else {
            const one = [...present.keys()][at];
            if (one === undefined) continue;
            present.delete(one);
            door.connections.leave(one);
          }
          const underWay = door.begun.filter((one) => present.has(one));
          const of = (name: string, all: Iterable<string>) =>
            [...all].filter((one) => one.startsWith(`${name}#`)).length;
          expect(door.connections.size).toBe(present.size);
          expect(present.size).toBeLessThanOrEqual(12);
          expect(underWay.length).toBeLessThanOrEqual(4);
          for (const name of ['a', 'b', 'c']) {
            expect(of(name, present.keys())).toBeLessThanOrEqual(6);
            expect(of(name, underWay)).toBeLessThanOrEqual(2);
            const isIdle = underWay.length < 4 && of(name, underWay) < 2;
            if (isIdle) expect(of(name, present.keys())).toBe(of(name, underWay));
          }
        }
        expect(new Set(door.begun).size).toBe(door.begun.length);
      }),
      { numRuns: 300 },
    );
  });
});
