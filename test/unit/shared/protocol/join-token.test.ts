import { expect, it } from 'vitest';
import { encodeJoinToken, parseJoinToken } from '../../../../shared/protocol/join-token.ts';

const token = {
  hub: 'https://hub.example:7443',
  ca: 'a'.repeat(64),
  root: 'b'.repeat(64),
  secret: 'Aa0_-'.repeat(5),
};

it('a join token is base64url of its JSON, as another encoder writes it', () => {
  const text = `mfj1.${Buffer.from(JSON.stringify(token)).toString('base64url')}`;
  expect(encodeJoinToken(token)).toBe(text);
  expect(parseJoinToken(` ${text}\n`)).toEqual(token);
});

it.each(['mfj1.!!!!', 'mfj1.A', 'mfj2.e30', 'mfj1.e30'])(
  'parseJoinToken() refuses %s with bad_input and never quotes it',
  (text) => {
    expect(() => parseJoinToken(text)).toThrow(
      expect.objectContaining({
        code: 'bad_input',
        message: expect.not.stringContaining(text.slice(5)),
      }),
    );
  },
);

it('parseJoinToken() asks for the whole line where only a part of the token was copied', () => {
  expect(() => parseJoinToken(encodeJoinToken(token).slice(0, 41))).toThrow(
    'it is damaged, cut off or of another version of modelfleet. Copy the whole line that was printed.',
  );
});
