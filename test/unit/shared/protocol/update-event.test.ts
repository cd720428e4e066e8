import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import {
  encodeUpdateEvent,
  parseUpdateEvent,
  type UpdateEvent,
} from '../../../../shared/protocol/update-event.ts';

const event = (facts: unknown) => ({
  v: 1,
  id: 'a-1',
  at: '2026-11-22T00:00:00Z',
  model: 'm',
  version: '1.0.0',
  manifest: 'a'.repeat(64),
  sequence: 1,
  state: 'qualifying',
  facts,
});
const parse = (facts: unknown) => parseUpdateEvent(Buffer.from(JSON.stringify(event(facts))));

describe('parseUpdateEvent()', () => {
  it('takes facts that are short and flat', () => {
    const facts = { provider: 'cpu', latencyP50Ms: 1.5, isFirst: true };
    expect(parse(facts).facts).toEqual(facts);
  });

  it.each([
    ['a key with a line break', { 'a\nb': { deep: 1 } }],
    ['an empty key', { '': 1 }],
    ['a key that is too long', { ['k'.repeat(65)]: 1 }],
    ['a value that is no fact', { provider: { deep: 1 } }],
    ['a text that is too long', { provider: 'x'.repeat(513) }],
    [
      'too many of them',
      Object.fromEntries(Array.from({ length: limits.qualificationFactsMax + 1 }, (_, n) => [`k${n}`, n])),
    ],
  ])('refuses facts with %s', (_, facts) => {
    expect(() => parse(facts)).toThrow(expect.objectContaining({ code: 'bad_input' }));
  });
});

describe('encodeUpdateEvent()', () => {
  it('leaves facts out that would make a message the hub refuses, again and again', () => {
    const facts = Object.fromEntries(
      Array.from({ length: limits.qualificationFactsMax }, (_, n) => [`f${n}`, '\u0001'.repeat(512)]),
    );
    const fault = { code: 'x', message: '\u0001'.repeat(2_000), retry: 'never' };
    const long = { ...event(facts), fault } as UpdateEvent;
    const encoded = encodeUpdateEvent(long);
    expect(encoded.byteLength).toBeLessThanOrEqual(limits.controlMessageBytesMax);
    expect(parseUpdateEvent(encoded)).toMatchObject({ state: 'qualifying', fault });
    const short = event({ provider: 'cpu' }) as UpdateEvent;
    expect(parseUpdateEvent(encodeUpdateEvent(short))).toEqual(short);
  });

  it('tells what failed and not where on the device it lies', () => {
    const message = 'Cannot load "model.onnx": Load model from /home/ann/fleet/slots/ab12/model.onnx failed';
    const fault = { code: 'model_does_not_load', message, retry: 'never' };
    const told = parseUpdateEvent(encodeUpdateEvent({ ...event({}), fault } as UpdateEvent));
    expect(told.fault?.message).toBe('Cannot load "model.onnx": Load model from model.onnx failed');
  });
});
