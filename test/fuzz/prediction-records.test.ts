import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerPlace,
  answerRecord,
  encodeAnswer,
  labelPlace,
  labelRecord,
  readAnswer,
  readVersion,
  scanRecords,
  segmentHead,
  versionRecord,
} from '../../agent/telemetry/prediction-record.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { labelledVersion } from '../support/prediction-stores.ts';

const row = fc.oneof(fc.double(), fc.integer(), fc.string());
const prediction = fc.record({
  id: fc.string({ minLength: 1, maxLength: 40 }),
  rows: fc.array(row, { minLength: 1, maxLength: 8 }),
  confidences: fc.option(fc.array(fc.option(fc.integer({ min: 0, max: 1_000 }), { nil: undefined })), {
    nil: undefined,
  }),
});
const place = fc.record({
  hash: fc.nat(2 ** 32 - 1),
  versionAt: fc.nat(2 ** 32 - 1),
  at: fc.double({ noNaN: true, noDefaultInfinity: true }),
});
const version = versionRecord(labelledVersion({ classes: ['cat', 'dog'], rollout: 'r-00000001' }))!;

/** Reads everything that is in the bytes, as a store may. */
function readAll(bytes: Buffer): number {
  return scanRecords(bytes, (body) => {
    answerPlace(body);
    labelPlace(body);
    for (const read of [readAnswer, readVersion]) {
      try {
        read(body);
      } catch (error) {
        if (!isAppError(error, 'bad_input')) throw error;
      }
    }
  });
}

describe('records of stored predictions', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(prediction, place, (kept, where) => {
        const bodies: Buffer[] = [];
        const record = answerRecord(where, encodeAnswer(kept));
        const bytes = Buffer.concat([segmentHead, version, record, labelRecord(7, 8)]);
        expect(scanRecords(bytes, (body) => bodies.push(body))).toBe(bytes.length);
        expect(readVersion(bodies[0]!)).toMatchObject({ rollout: 'r-00000001', offer: 1 });
        expect(answerPlace(bodies[1]!)).toEqual(where);
        const { id, rows, confidences } = readAnswer(bodies[1]!);
        expect({ id, confidences }).toEqual({ id: kept.id, confidences: kept.confidences });
        // A number that is not finite comes back as NaN, and −0 as 0.
        const expected = kept.rows.map((one) =>
          typeof one === 'number' ? (Number.isFinite(one) ? one + 0 : Number.NaN) : one,
        );
        expect(rows.map((one) => (typeof one === 'number' ? one + 0 : one))).toEqual(expected);
        expect(labelPlace(bodies[2]!)).toEqual({ segment: 7, ordinal: 8 });
      }),
    );
  });

  it('from any bytes are refused or read, and never end outside them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (garbage, hasHead) => {
        const bytes = Buffer.concat([hasHead ? segmentHead : Buffer.alloc(0), garbage]);
        expect(readAll(bytes)).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  it('are whole up to the first changed byte, and none behind it is taken for another', () => {
    fc.assert(
      fc.property(fc.array(prediction, { minLength: 1, maxLength: 6 }), fc.nat(), (all, seed) => {
        const where = { hash: 1, versionAt: 8, at: 0 };
        const records = all.map((one) => answerRecord(where, encodeAnswer(one)));
        const bytes = Buffer.concat([segmentHead, ...records]);
        const at = segmentHead.length + (seed % (bytes.length - segmentHead.length));
        bytes[at]! ^= 1 << (seed % 8);
        const end = readAll(bytes);
        expect(end).toBeLessThanOrEqual(at);
        let whole = segmentHead.length;
        for (const { length } of records) {
          if (whole + length > at) break;
          whole += length;
        }
        expect(end).toBe(whole);
      }),
    );
  });
});
