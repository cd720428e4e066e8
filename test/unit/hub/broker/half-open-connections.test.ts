import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type HalfOpenBounds,
  HalfOpenConnections,
  sourceOf,
} from '../../../../hub/broker/half-open-connections.ts';

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

  it('of an address that opens many and never finishes leave room for every other address', () => {
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

  it('are refused past the bound of an address, and past the bound of all', () => {
    const door = new Door({ inAllMax: 5, perAddressMax: 3 });
    door.enter('a', 4);
    door.enter('b', 3);
    expect(door.refused).toEqual(['a-4 of its address', 'b-3 in all']);
    door.connections.leave('a-1');
    door.connections.enter('b-3', 'b');
    expect(door.refused).toHaveLength(2);
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

  it('keep every bound, forget nobody and wait for nothing while there is room, in any order', () => {
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
            door.connections.enter(connection, address);
            if (!door.refused.some((one) => one.startsWith(`${connection} `)))
              present.set(connection, address);
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

describe('the source of a connection', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['2001::a:b:c:d:e', '2001:0:0:a'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('of %s is %s', (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });
});
