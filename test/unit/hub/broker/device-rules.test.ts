import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgePublish, maySubscribe } from '../../../../hub/broker/device-rules.ts';
import { deviceSends, topics } from '../../../../shared/protocol/topics.ts';

const plain = { payload: Buffer.from('x'), qos: 1, retain: false };

describe('what a device may do on the broker', () => {
  it.each(deviceSends)('lets it send %s under its own id', (leaf) => {
    expect(judgePublish('dev', { ...plain, topic: topics.device('dev', leaf) })).toMatchObject({
      allowed: true,
      leaf,
    });
  });

  it('lets it keep presence alone on the broker', () => {
    const allowed = deviceSends.filter(
      (leaf) => judgePublish('dev', { ...plain, retain: true, topic: topics.device('dev', leaf) }).allowed,
    );
    expect(allowed).toEqual(['presence']);
  });

  it('lets it send on no other topic and subscribe to no other filter, whatever the text', () => {
    const own = new Set(deviceSends.map((leaf) => topics.device('dev', leaf)));
    const filters = new Set(topics.deviceFilters('dev'));
    const part = fc.constantFrom(
      'mf',
      '1',
      'd',
      'dev',
      'other',
      'events',
      'desired',
      'chunk',
      'get',
      '+',
      '#',
      '',
      '\0',
      '..',
      'trust',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 7 }), (parts) => {
        const topic = parts.join('/');
        expect(judgePublish('dev', { ...plain, topic }).allowed).toBe(own.has(topic));
        expect(maySubscribe('dev', topic)).toBe(filters.has(topic));
      }),
      { numRuns: 2_000 },
    );
  });
});
