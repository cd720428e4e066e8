import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fittedReport } from '../../../../agent/health/fitted-report.ts';
import { limits } from '../../../../shared/base/limits.ts';
import {
  parseReportedState,
  type ReportedModel,
  type ReportedState,
} from '../../../../shared/protocol/reported-state.ts';

const at = '2026-01-01T00:00:00.000Z';
const digest = 'a'.repeat(64);
const version = `1.0.0-${'x'.repeat(58)}`;
/** Text of each length a character can have in JSON: 1, 2, 3, 4 and, escaped, 6 bytes. */
const alphabets = ['x', 'ü', '漢', '🚀', '\u0001', '\\', '\ud83d'];

function bytes(report: ReportedState): number {
  return Buffer.byteLength(JSON.stringify(report));
}

function model(n: number, filler: string, more: Partial<ReportedModel> = {}): ReportedModel {
  const text = filler.repeat(2_000).slice(0, 2_000);
  return {
    model: `m${n}`.padEnd(limits.nameCharsMax, 'x'),
    active: { version, manifest: digest, release: 1 },
    provider: 'x'.repeat(16),
    previous: Array.from({ length: 16 }, () => ({ version, manifest: digest, release: 1 })),
    update: {
      version,
      state: 'trial',
      since: at,
      bytesHave: 2 ** 40,
      bytesTotal: 2 ** 40,
      fault: { code: `x${'y'.repeat(63)}`, message: text, retry: 'later' },
    },
    quarantined: Array.from({ length: 64 }, () => ({ version, until: at, reason: text })),
    ...more,
  };
}

function report(
  models: ReportedModel[],
  conditions: ReportedState['conditions'],
  filler = 'x',
): ReportedState {
  return {
    v: 2,
    at,
    sequence: 2 ** 40,
    facts: {
      agentVersion: filler.repeat(64).slice(0, 64),
      os: filler.repeat(64).slice(0, 64),
      arch: 'x'.repeat(32),
      cpus: 1,
      memoryBytes: 2 ** 40,
      hostname: filler.repeat(256).slice(0, 256),
      providers: Array.from({ length: 16 }, () => filler.repeat(16).slice(0, 16)),
    },
    freeBytes: 2 ** 50,
    models,
    conditions,
  };
}

const condition = (n: number, text: string, severity: 'warning' | 'error' = 'warning') => ({
  code: `code_${n}`,
  severity,
  text,
});

describe('fittedReport', () => {
  it('leaves a report that fits as it is', () => {
    const small = report([model(0, 'x', { quarantined: [] })], [condition(1, 'short')]);
    expect(fittedReport(small)).toEqual(small);
  });

  it.each(alphabets)(
    'fits whatever is as long as it may be, in %j, and keeps what runs and what goes on',
    (filler) => {
      const text = filler.repeat(2_000).slice(0, 2_000);
      const models = Array.from({ length: limits.modelsPerDeviceMax }, (_, n) => model(n, filler));
      const full = report(
        models,
        Array.from({ length: 64 }, (_, n) => condition(n, text)),
        filler,
      );
      const fitted = fittedReport(full);
      expect(bytes(fitted)).toBeLessThanOrEqual(limits.controlMessageBytesMax);
      const parsed = parseReportedState(Buffer.from(JSON.stringify(fitted)));
      expect(parsed.models.map(({ active }) => active)).toEqual(models.map(({ active }) => active));
      expect(
        parsed.models.map(({ update }) => [update?.version, update?.state, update?.fault?.code]),
      ).toEqual(models.map(({ update }) => [update?.version, update?.state, update?.fault?.code]));
      expect(parsed.conditions.at(-1)).toMatchObject({
        code: 'report_cut',
        text: expect.stringMatching(/Left out: \d+ quarantined versions, \d+ kept versions, \d+ conditions/),
      });
    },
  );

  it('gives up texts before entries, warnings before errors, and never half a character', () => {
    const rockets = '🚀'.repeat(1_000);
    const some = report(
      [model(0, '🚀', { quarantined: [{ version, until: at, reason: rockets }] })],
      [...Array.from({ length: 40 }, (_, n) => condition(n, rockets)), condition(99, rockets, 'error')],
    );
    const fitted = fittedReport(some, 20_000);
    expect(bytes(fitted)).toBeLessThanOrEqual(20_000);
    expect(fitted.conditions[0]).toMatchObject({ code: 'code_99' });
    expect(JSON.stringify(fitted)).not.toMatch(/\\ud83d/);
    expect(fittedReport(some, 120_000).models[0]?.quarantined).toHaveLength(1);
  });

  it('counts what it left out', () => {
    const quarantined = Array.from({ length: 64 }, (_, n) => ({
      version: `1.0.${n}`,
      until: at,
      reason: 'x'.repeat(2_000),
    }));
    const fitted = fittedReport(report([model(0, 'x', { quarantined })], []), 12_000);
    const left = fitted.models[0]!.quarantined;
    expect(left.at(-1)?.version).toBe('1.0.63');
    expect(fitted.conditions.at(-1)?.text).toContain(`${64 - left.length} quarantined versions`);
  });

  it('fits for every mixture of what a device can have', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 2_000 });
    const models = fc.array(
      fc.record({
        filler: fc.constantFrom(...alphabets),
        quarantined: fc.nat(64),
        previous: fc.nat(16),
        reason: texts,
      }),
      { maxLength: limits.modelsPerDeviceMax },
    );
    fc.assert(
      fc.property(models, fc.array(texts, { maxLength: 64 }), (list, conditions) => {
        const full = report(
          list.map(({ filler, quarantined, previous, reason }, n) => {
            const whole = model(n, filler);
            return {
              ...whole,
              previous: whole.previous.slice(0, previous),
              quarantined: whole.quarantined.slice(0, quarantined).map((entry) => ({ ...entry, reason })),
            };
          }),
          conditions.map((text, n) => condition(n, text)),
        );
        const fitted = fittedReport(full);
        expect(bytes(fitted)).toBeLessThanOrEqual(limits.controlMessageBytesMax);
        expect(() => parseReportedState(Buffer.from(JSON.stringify(fitted)))).not.toThrow();
      }),
      { numRuns: 40 },
    );
  }, 30_000);
});
