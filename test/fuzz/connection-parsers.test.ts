/** Topics and join tokens are the first text of a stranger that is looked at: no text may do more than be refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { parseHubCommand } from '../../shared/protocol/hub-command.ts';
import { encodeJoinToken, parseJoinToken } from '../../shared/protocol/join-token.ts';
import { deviceSends, parseTopic, topics } from '../../shared/protocol/topics.ts';

const deviceId = fc
  .string({ minLength: 1, maxLength: 64, unit: fc.constantFrom(...'ABCxyz019._-') })
  .filter((id) => id !== '.' && id !== '..');
const digest = fc.string({ minLength: 64, maxLength: 64, unit: fc.constantFrom(...'0123456789abcdef') });
const token = fc.record({
  hub: fc
    .tuple(fc.domain(), fc.integer({ min: 1, max: 65_535 }))
    .map(([host, port]) => `https://${host}:${port}`),
  ca: digest,
  root: digest,
  secret: fc.string({ minLength: 22, maxLength: 128, unit: fc.constantFrom(...'ABCxyz019_-') }),
});

describe('topics', () => {
  it('are taken apart into what they were made of', () => {
    fc.assert(
      fc.property(deviceId, fc.constantFrom(...deviceSends), digest, (id, leaf, chunk) => {
        expect(parseTopic(topics.device(id, leaf))).toEqual({ kind: 'device', deviceId: id, leaf });
        expect(parseTopic(topics.chunk(id, chunk))).toEqual({
          kind: 'device',
          deviceId: id,
          leaf: `chunk/${chunk}`,
        });
        expect(parseTopic(topics.trust(id))).toEqual({ kind: 'trust', role: id });
      }),
    );
  });

  it('of any text are refused or name a part of the text', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.string().map((rest) => `mf/1/d/${rest}`),
    );
    fc.assert(
      fc.property(text, (topic) => {
        const parsed = parseTopic(topic);
        if (!parsed) return;
        expect(topic.length).toBeLessThanOrEqual(limits.topicCharsMax);
        const again =
          parsed.kind === 'trust' ? topics.trust(parsed.role) : `mf/1/d/${parsed.deviceId}/${parsed.leaf}`;
        expect(again).toBe(topic);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('commands of the hub', () => {
  it('of any bytes are read or refused by name', () => {
    const near = fc.record(
      {
        v: fc.constantFrom(1, 2),
        command: fc.constantFrom('identity-shared', 'busy', 'explode'),
        at: fc.constantFrom('2026-01-01T00:00:00Z', 'soon'),
        addresses: fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { maxLength: 6 }),
      },
      { requiredKeys: [] },
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      near.map((value) => Buffer.from(JSON.stringify(value))),
    );
    fc.assert(
      fc.property(bytes, (payload) => {
        try {
          const command = parseHubCommand(payload);
          const addresses = command.command === 'busy' ? [] : command.addresses;
          expect(addresses.length).toBeLessThanOrEqual(limits.agentsPerIdentityMax);
        } catch (error) {
          expect(isAppError(error), String(error)).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('join tokens', () => {
  it('are read back as they were made, blanks around them or not', () => {
    fc.assert(
      fc.property(token, (made) => {
        expect(parseJoinToken(` ${encodeJoinToken(made)}\n`)).toEqual(made);
      }),
    );
  });

  it('of any text are refused with a code, and the text is not quoted', () => {
    const garbage = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 5_000 }),
      fc.uint8Array({ maxLength: 500 }).map((bytes) => `mfj1.${Buffer.from(bytes).toString('base64url')}`),
      fc.json().map((json) => `mfj1.${Buffer.from(json).toString('base64url')}`),
    );
    fc.assert(
      fc.property(garbage, (text) => {
        try {
          parseJoinToken(text);
        } catch (error) {
          expect(isAppError(error)).toBe(true);
          if (text.trim().length > 12) expect((error as Error).message).not.toContain(text.trim());
          return;
        }
        expect.unreachable();
      }),
      { numRuns: 1_000 },
    );
  });

  it('never show their secret in a refusal', () => {
    fc.assert(
      fc.property(token, fc.constantFrom('hub', 'ca', 'root'), (made, field) => {
        const damaged = encodeJoinToken({ ...made, [field]: 'http://no' });
        try {
          parseJoinToken(damaged);
          expect.unreachable();
        } catch (error) {
          expect(String(error)).not.toContain(made.secret);
        }
      }),
    );
  });

  it('do not show a secret that is itself malformed', () => {
    const secret = 'tooshort!but-secret';
    const text = `mfj1.${Buffer.from(JSON.stringify({ hub: 'https://h', ca: 'a'.repeat(64), root: 'b'.repeat(64), secret })).toString('base64url')}`;
    expect(() => parseJoinToken(text)).toThrow();
    try {
      parseJoinToken(text);
    } catch (error) {
      expect(JSON.stringify([String(error), (error as { details?: unknown }).details])).not.toContain(secret);
    }
  });
});
