import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { preAuthenticationEncoding, signDsse, verifyDsse } from '../../../../shared/tuf/dsse.ts';

const type = 'application/vnd.modelfleet.desired-state+json';
const payload = Buffer.from('{"v":1}');

function makeKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const keyid = createHash('sha256').update(pem).digest('hex');
  return { keyid, privateKey, pem, keys: new Map([[keyid, pem]]) };
}

const signer = makeKey();
const envelope = JSON.parse(Buffer.from(signDsse(type, payload, signer)).toString());
const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('preAuthenticationEncoding', () => {
  it('encodes the example of the DSSE protocol byte for byte', () => {
    expect(
      Buffer.from(
        preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world')),
      ).toString(),
    ).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  it('counts bytes, not characters', () => {
    expect(Buffer.from(preAuthenticationEncoding('é', Buffer.from('ü'))).toString()).toBe('DSSEv1 2 é 2 ü');
  });
});

describe('verifyDsse', () => {
  it('returns the payload of an envelope signed by a trusted key', () => {
    expect(Buffer.from(verifyDsse(signDsse(type, payload, signer), type, signer.keys)).toString()).toBe(
      '{"v":1}',
    );
  });

  it('accepts one good signature beside one of an unknown key', () => {
    const stranger = JSON.parse(Buffer.from(signDsse(type, payload, makeKey())).toString());
    const both = { ...envelope, signatures: [...stranger.signatures, ...envelope.signatures] };
    expect(verifyDsse(bytesOf(both), type, signer.keys)).toEqual(payload);
  });

  it('goes on past a key that is none', () => {
    const broken = 'f'.repeat(64);
    const both = { ...envelope, signatures: [{ keyid: broken, sig: 'AAAA' }, ...envelope.signatures] };
    const keys = new Map([[broken, 'no key'], ...signer.keys]);
    expect(verifyDsse(bytesOf(both), type, keys)).toEqual(payload);
  });

  const other = makeKey();
  it.each([
    ['a changed payload', { ...envelope, payload: Buffer.from('{"v":2}').toString('base64') }],
    ['another type', { ...envelope, payloadType: 'text/plain' }],
    ['no signature', { ...envelope, signatures: [] }],
    [
      'a signature of a key that is not trusted',
      JSON.parse(Buffer.from(signDsse(type, payload, other)).toString()),
    ],
    [
      'a foreign signature under a trusted keyid',
      {
        ...envelope,
        signatures: [
          {
            keyid: signer.keyid,
            sig: JSON.parse(Buffer.from(signDsse(type, payload, other)).toString()).signatures[0].sig,
          },
        ],
      },
    ],
    ['a payload that is not base64', { ...envelope, payload: '***' }],
    ['a keyid that is no digest', { ...envelope, signatures: [{ ...envelope.signatures[0], keyid: 'x' }] }],
    ['too many signatures', { ...envelope, signatures: Array(9).fill(envelope.signatures[0]) }],
  ])('refuses %s', (_, value) => {
    expect(() => verifyDsse(bytesOf(value), type, signer.keys)).toThrow(
      expect.objectContaining({ code: 'signature_invalid' }),
    );
  });

  it('refuses an envelope signed as another type even when that type is what it claims', () => {
    const asOther = {
      ...JSON.parse(Buffer.from(signDsse('text/plain', payload, signer)).toString()),
      payloadType: type,
    };
    expect(() => verifyDsse(bytesOf(asOther), type, signer.keys)).toThrow(
      /no trusted key made a valid signature/,
    );
  });

  it('refuses bytes that are no JSON, and more bytes than a control message may have', () => {
    expect(() => verifyDsse(Buffer.from('{'), type, signer.keys)).toThrow(
      expect.objectContaining({ code: 'signature_invalid' }),
    );
    const large = Buffer.alloc(limits.controlMessageBytesMax + 1, 32);
    expect(() => verifyDsse(large, type, signer.keys)).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });
});

describe('signDsse', () => {
  it('refuses to make an envelope a device would refuse for its size', () => {
    expect(() => signDsse(type, Buffer.alloc(limits.controlMessageBytesMax), signer)).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });
});
