import { describe, expect, it } from 'vitest';
import { networkOf, sourceOf } from '../../../../shared/base/remote-source.ts';

describe('the network of a source', () => {
  it.each([
    ['192.0.2.7', '192.0.2'],
    ['2001:db8:1:2', '2001:db8:1'],
    ['2001:0:0:a', '2001:0:0'],
  ])('%s is %s', (source, network) => {
    expect(networkOf(source)).toBe(network);
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
