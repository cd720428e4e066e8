import { type Metadata, TargetFile, type Targets } from '@tufjs/models';
import { describe, expect, it } from 'vitest';
import { encodeMetadata, parseMetadata } from '../../../../shared/tuf/metadata-file.ts';
import { addVersion, comparePublisher, withdrawVersion } from '../../../../shared/tuf/published-targets.ts';
import { makePublisher } from '../../../../shared/tuf/trust-roles.ts';

const nowMs = Date.parse('2030-01-01T00:00:00Z');
const manifest = Buffer.from('{"a":1}');
const version = (name: string, release: number) => ({ model: 'air', version: name, release, manifest });
const path = 'models/air/1.0.0/manifest.json';
const invalid = (text: string) =>
  expect.objectContaining({ code: 'metadata_invalid', message: expect.stringContaining(text) });

const empty = makePublisher({}, { version: 1, nowMs });
const one = addVersion(empty, version('1.0.0', 1), nowMs);
const withdrawn = withdrawVersion(one, { model: 'air', version: '1.0.0', reason: 'drift' }, nowMs);

/** `metadata` with the JSON of one target changed, and the version that comes next after `one`. */
function altered(metadata: Metadata<Targets>, change: Record<string, unknown>): Metadata<Targets> {
  const target = { ...metadata.signed.targets[path]!.toJSON(), ...change };
  return makePublisher({ [path]: TargetFile.fromJSON(path, target as never) }, { version: 3, nowMs });
}

describe('comparePublisher', () => {
  it('names a version that was added, and one that was withdrawn', () => {
    expect(comparePublisher(empty, one)).toEqual({
      kind: 'added',
      version: expect.objectContaining({ target: path, release: 1, manifestBytes: manifest.byteLength }),
    });
    expect(comparePublisher(one, withdrawn)).toMatchObject({
      kind: 'withdrawn',
      version: { target: path, withdrawn: { reason: 'drift', at: '2030-01-01T00:00:00.000Z' } },
    });
  });

  it('gives the same answer after the files have travelled', () => {
    const travelled = (metadata: Metadata<Targets>) => parseMetadata('targets', encodeMetadata(metadata));
    expect(comparePublisher(travelled(one), travelled(withdrawn))).toMatchObject({ kind: 'withdrawn' });
  });

  const flag = { reason: 'drift', at: '2030-01-01T00:00:00Z' };
  it.each([
    ['its digest', { hashes: { sha256: 'a'.repeat(64) } }],
    ['its length', { length: 8 }],
    ['its release', { custom: { release: 2 } }],
    ['its release under cover of a withdrawal', { custom: { release: 2, withdrawn: flag } }],
    [
      'its digest under cover of a withdrawal',
      { hashes: { sha256: 'a'.repeat(64) }, custom: { release: 1, withdrawn: flag } },
    ],
    ['a field that was not there', { custom: { release: 1, extra: 1 } }],
  ])('refuses a published version that changed %s', (_what, change) => {
    expect(() => comparePublisher(one, altered(one, change))).toThrow(invalid('was changed'));
  });

  it('refuses to undo a withdrawal or to change its reason', () => {
    const back = makePublisher(one.signed.targets, { version: 4, nowMs });
    expect(() => comparePublisher(withdrawn, back)).toThrow(invalid('was changed'));
    const other = withdrawVersion(one, { model: 'air', version: '1.0.0', reason: 'other' }, nowMs);
    const reworded = makePublisher(other.signed.targets, { version: 4, nowMs });
    expect(() => comparePublisher(withdrawn, reworded)).toThrow(invalid('was changed'));
  });

  it('refuses no change, two changes, and a version that is new and withdrawn', () => {
    expect(() => comparePublisher(one, makePublisher(one.signed.targets, { version: 3, nowMs }))).toThrow(
      invalid('0 changes'),
    );
    const two = addVersion(withdrawn, version('2.0.0', 2), nowMs);
    expect(() => comparePublisher(one, makePublisher(two.signed.targets, { version: 3, nowMs }))).toThrow(
      invalid('2 changes'),
    );
    expect(() =>
      comparePublisher(empty, makePublisher(withdrawn.signed.targets, { version: 2, nowMs })),
    ).toThrow(invalid('already withdrawn'));
  });

  it.each([1, 2, 4])('calls version %i after version 2 stale', (number) => {
    const next = makePublisher(withdrawn.signed.targets, { version: number, nowMs });
    expect(() => comparePublisher(one, next)).toThrow(expect.objectContaining({ code: 'metadata_stale' }));
  });
});

describe('what a publisher may do', () => {
  it('is neither to publish a version twice nor to withdraw one twice or one that is not there', () => {
    expect(() => addVersion(one, version('1.0.0', 9), nowMs)).toThrow(
      expect.objectContaining({ code: 'version_exists' }),
    );
    const withdraw = (from: Metadata<Targets>, name: string) => () =>
      withdrawVersion(from, { model: 'air', version: name, reason: 'x' }, nowMs);
    expect(withdraw(withdrawn, '1.0.0')).toThrow(expect.objectContaining({ code: 'version_withdrawn' }));
    expect(withdraw(one, '9.0.0')).toThrow(expect.objectContaining({ code: 'version_unknown' }));
  });
});
