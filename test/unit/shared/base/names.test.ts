import { describe, expect, it } from 'vitest';
import { DeviceId, ModelName, SemVer, Timestamp } from '../../../../shared/base/names.ts';
import { parser } from '../../../../shared/base/parse.ts';

const accepts = (schema: Parameters<typeof parser>[0], value: unknown): boolean => {
  try {
    parser(schema, 'value')(value);
    return true;
  } catch {
    return false;
  }
};

describe('names', () => {
  it.each([
    '2026-11-22T00:00:00Z',
    '0001-01-01T23:59:59.9Z',
    '9999-12-31T23:59:59.999Z',
    '2024-02-31T00:00:00Z',
  ])('takes the time %s, which Date.parse can read', (text) => {
    expect(accepts(Timestamp, text)).toBe(true);
    expect(Date.parse(text)).not.toBeNaN();
  });

  it.each([
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-32T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-12-31T23:59:60Z',
    '2026-01-01T00:00:00',
    '2026-01-01T00:00:00+01:00',
    '2026-01-01T00:00:00Z\n',
  ])('refuses the time %j', (text) => {
    expect(accepts(Timestamp, text)).toBe(false);
  });

  it.each(['.', '..', '', 'a/b', 'a b', 'a\n', 'ä', 'a'.repeat(65), '+', '#', 'a\u0000'])(
    'refuses the device id %j',
    (text) => {
      expect(accepts(DeviceId, text)).toBe(false);
    },
  );

  it.each(['.a', '-', '__proto__', 'a'.repeat(64)])('takes the device id %j', (text) => {
    expect(accepts(DeviceId, text)).toBe(true);
  });

  it.each(['-a', 'A', 'a_b', 'a.b', '__proto__', ''])('refuses the model name %j', (text) => {
    expect(accepts(ModelName, text)).toBe(false);
  });

  it.each(['1', '1.0', '01.0.0', '1.0.0+build', 'v1.0.0', '1.0.0-', '1.0.0-a..b', '1.0.0\n'])(
    'refuses the version %j',
    (text) => {
      expect(accepts(SemVer, text)).toBe(false);
    },
  );
});
