import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { jsonParser, parser } from '../../../../shared/base/parse.ts';

const Message = Type.Object({
  v: Type.Literal(1),
  name: Type.String({ maxLength: 8 }),
  secret: Type.Optional(Type.String()),
});
const parse = parser(Message, 'message');

function refusal(value: unknown): unknown {
  try {
    return parse(value);
  } catch (error) {
    return error;
  }
}

describe('parser()', () => {
  it('returns what fits, with fields it does not know', () => {
    expect(parse({ v: 1, name: 'a', later: true })).toEqual({ v: 1, name: 'a', later: true });
  });

  it('names what it read, where the fault lies, what was found and what is wanted', () => {
    expect(refusal({ v: 1, name: 'far too long' })).toMatchObject({
      code: 'bad_input',
      message: 'Cannot read message: /name must not have more than 8 characters (found "far too long").',
    });
  });

  it('refuses another version as such, whatever else is in it', () => {
    expect(refusal({ v: 2, title: 'a' })).toMatchObject({
      code: 'unsupported_version',
      message: 'Cannot read message: it has version 2, and this program supports version 1.',
    });
  });

  it('keeps the code of a caller that has its own, with the version as the reason', () => {
    const parseSlot = parser(Message, 'slot', 'slot_damaged');
    expect(() => parseSlot({ v: 2 })).toThrow(
      expect.objectContaining({ code: 'slot_damaged', message: expect.stringContaining('has version 2') }),
    );
  });

  it.each([{ name: 'a' }, { v: 'one', name: 'a' }, null, [], 1])(
    'calls %j, which has no version, bad input',
    (value) => {
      expect(refusal(value)).toMatchObject({ code: 'bad_input' });
    },
  );

  it.each([
    { v: 1, secret: 'hidden-1' },
    { v: 1, name: 'a', secret: { token: 'hidden-1' } },
  ])('does not quote a secret, nor as a part of what it quotes: %#', (value) => {
    const { message } = refusal(value) as Error;
    expect(message).toMatch(/^Cannot read message: /);
    expect(message).not.toContain('hidden');
  });
});

it('parser() quotes an integer that JSON has no form for', () => {
  expect(refusal({ v: 1, name: 2n ** 64n })).toMatchObject({
    code: 'bad_input',
    message: expect.stringContaining('18446744073709551616'),
  });
});

describe('jsonParser()', () => {
  const parseBytes = jsonParser(Message, 'message', 64);

  it.each([
    ['too many bytes', new Uint8Array(65), 'too_large'],
    ['no JSON', Buffer.from('{'), 'bad_input'],
    ['broken UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 'bad_input'],
    ['another version', Buffer.from('{"v":7}'), 'unsupported_version'],
    ['depth that could end the stack of whoever walks it', Buffer.from('['.repeat(64)), 'bad_input'],
  ])('refuses %s', (_, bytes, code) => {
    expect(() => parseBytes(bytes)).toThrow(expect.objectContaining({ code }));
  });
});

it('jsonParser() refuses deep nesting as such, before it is decoded', () => {
  const parseBytes = jsonParser(Message, 'message', 1_000_000);
  const deep = `{"v":1,"name":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  expect(() => parseBytes(Buffer.from(deep))).toThrow(
    expect.objectContaining({ code: 'bad_input', message: expect.stringContaining('levels deep') }),
  );
});
