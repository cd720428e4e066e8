/** Telemetry of many devices is merged in one batch: no bytes of one may do more than be refused. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isAppError } from '../../shared/base/app-error.ts';
import { encodeCbor } from '../../shared/base/cbor.ts';
import { decodeTelemetryReport } from '../../shared/protocol/telemetry-report.ts';

const good = {
  v: 1,
  stream: '0123456789abcdef',
  number: 1,
  from: 0,
  to: 1,
  model: 'm',
  version: '1.0.0',
  manifest: 'a'.repeat(64),
  requests: { ok: 1, failed: { internal: 1 } },
  crashes: 0,
  latency: { first: 0, counts: [1] },
  features: [{ name: 'f', counts: [1, 2], missing: 0, moments: { n: 3, sum: 1, sumSquares: 1 } }],
  labels: { kind: 'classification', n: 1, answers: 1, correct: 1, confusion: [1] },
  dropped: 0,
};

const value = fc.anything({
  withBigInt: true,
  withTypedArray: true,
  withNullPrototype: true,
  maxDepth: 3,
  maxKeys: 5,
});

function expectReadOrRefused(bytes: Uint8Array): void {
  try {
    decodeTelemetryReport(bytes);
  } catch (error) {
    expect(isAppError(error), String(error)).toBe(true);
  }
}

it('a telemetry report of any bytes is read or refused with a code', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), expectReadOrRefused), { numRuns: 2_000 });
});

it('a telemetry report with any value in any field is read or refused with a code', () => {
  const change = fc.tuple(fc.constantFrom(...Object.keys(good)), value);
  fc.assert(
    fc.property(change, ([field, part]) => {
      let bytes: Uint8Array;
      try {
        bytes = encodeCbor({ ...good, [field]: part });
      } catch {
        return;
      }
      expectReadOrRefused(bytes);
    }),
    { numRuns: 2_000 },
  );
});
