import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetadataMirror } from '../../agent/trust/metadata-mirror.ts';
import { checkTrustBundle } from '../../hub/signing/trust-bundle.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { trustTopics } from '../../shared/protocol/trust-metadata.ts';
import { keyIdOfKey, publicKeyPem } from '../../shared/tuf/ed25519-key.ts';
import { parseMetadata, requireSigned } from '../../shared/tuf/metadata-file.ts';
import { comparePublisher } from '../../shared/tuf/published-targets.ts';
import { type OnlineKeySet, TrustWorld } from '../support/trust-world.ts';

const NOW_MS = Date.parse('2030-01-01T00:00:00Z');
const world = new TrustWorld({ nowMs: NOW_MS });
world.publish('air', '1.0.0', 1);
const next = world.next('air', '2.0.0', 2, Buffer.from('{}'));
const targets = parseMetadata('targets', world.files.get('targets')!);

/** Runs `act`; anything that is not a coded refusal is a defect. True when it was refused. */
function refuses(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch (error) {
    if (isAppError(error)) return true;
    throw error;
  }
}

/** Replaces one value anywhere in a JSON document. */
const mutate = (document: unknown, path: readonly number[], value: unknown): unknown => {
  if (path.length === 0 || typeof document !== 'object' || document === null) return value;
  const keys = Object.keys(document);
  if (keys.length === 0) return value;
  const key = keys[path[0]! % keys.length]!;
  const copy = structuredClone(document) as Record<string, unknown>;
  copy[key] = mutate(copy[key], path.slice(1), value);
  return copy;
};
const path = fc.array(fc.nat(20), { minLength: 1, maxLength: 6 });

describe('trust metadata from anybody', () => {
  it('gives a coded refusal for any bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(Buffer.from)), (bytes) => {
        for (const kind of ['root', 'targets', 'snapshot', 'timestamp'] as const) {
          expect(refuses(() => parseMetadata(kind, bytes))).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives a coded refusal or the signed content for any change of a signed file', () => {
    const before = parseMetadata('targets', world.files.get('publisher')!);
    const original = JSON.parse(next.toString());
    fc.assert(
      fc.property(path, fc.jsonValue(), (where, value) => {
        const changed = mutate(original, where, value);
        let accepted: unknown;
        const refused = refuses(() => {
          const metadata = parseMetadata('targets', Buffer.from(JSON.stringify(changed)), 'publisher');
          requireSigned(targets, 'publisher', metadata);
          comparePublisher(before, metadata);
          accepted = metadata.signed.toJSON();
        });
        if (!refused) expect(JSON.parse(JSON.stringify(accepted))).toEqual(original.signed);
      }),
      { numRuns: 500 },
    );
  });

  it('never takes on a changed trust root', () => {
    const info = (key: OnlineKeySet['director']) => ({
      keyid: keyIdOfKey(key),
      publicKeyPem: publicKeyPem(key),
    });
    const { online } = world;
    const publicKeys = {
      snapshot: info(online.snapshot),
      timestamp: info(online.timestamp),
      director: info(online.director),
    };
    const bundle = new TrustWorld({ nowMs: NOW_MS, online }).bundle;
    const options = { keys: { publicKeys }, nowMs: NOW_MS };
    expect(refuses(() => checkTrustBundle(bundle, options))).toBe(false);
    fc.assert(
      fc.property(
        fc.constantFrom('root', 'targets', 'publisher', 'director'),
        path,
        fc.jsonValue(),
        (topic, where, value) => {
          const original = JSON.parse(bundle[topic].toString());
          const changed = mutate(original, where, value);
          const refused = refuses(() =>
            checkTrustBundle({ ...bundle, [topic]: Buffer.from(JSON.stringify(changed)) }, options),
          );
          const same =
            JSON.stringify((changed as { signed?: unknown } | null)?.signed) ===
            JSON.stringify(original.signed);
          if (!refused) expect(same).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('cannot make the agent’s mirror throw or grow beyond its topics', () => {
    const mirror = new MetadataMirror({ sleep: async () => undefined });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom(...trustTopics)), fc.uint8Array(), (topic, bytes) => {
        expect(mirror.receive(topic, bytes)).toBe((trustTopics as readonly string[]).includes(topic));
        refuses(() => mirror.root(1));
      }),
      { numRuns: 300 },
    );
  });
});
