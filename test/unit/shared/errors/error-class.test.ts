import { describe, expect, it } from 'vitest';
import { type ErrorCode, errorCatalogue } from '../../../../shared/errors/catalogue.ts';
import { errorClassOf, isEnvironmental } from '../../../../shared/errors/error-class.ts';

/** What an update can stop on, and whose it is; every other code of the catalogue cannot end a step. */
const expected: Readonly<Record<'version' | 'desired' | 'device' | 'hub', readonly ErrorCode[]>> = {
  version: [
    'bad_input',
    'too_large',
    'unsupported_version',
    'tensor_invalid',
    'tensor_type_unsupported',
    'artifact_digest_mismatch',
    'version_withdrawn',
    'model_does_not_load',
    'provider_unavailable',
    'inference_failed',
    'golden_mismatch_on_device',
    'objective_missed_on_device',
    'too_slow_on_device',
    'runner_crashed',
    'trial_crashed',
    'trial_error_rate',
    'trial_requests_refused',
    'trial_not_serving',
    'restart_loop',
    'version_left',
    'rolled_back_by_operator',
    'internal',
  ],
  desired: ['manifest_mismatch', 'downgrade_refused', 'version_quarantined'],
  device: [
    'disk_full',
    'disk_error',
    'file_unusable',
    'not_enough_space',
    'chunk_decayed',
    'slot_damaged',
    'runner_start_timeout',
    'inference_timeout',
    'overloaded',
    'memory_short_on_device',
    'model_not_ready',
    'certificate_not_valid_now',
    'clock_skew',
    'trust_root_lost',
  ],
  hub: [
    'desired_changed',
    'link_lost',
    'link_refused',
    'hub_unreachable',
    'hub_stopping',
    'hub_answer_unreadable',
    'rate_limited',
    'chunk_missing',
    'chunk_digest_mismatch',
    'version_not_offered',
    'version_unknown',
    'trust_unavailable',
    'trust_not_initialised',
    'metadata_expired',
    'metadata_invalid',
    'metadata_rolled_back',
    'metadata_stale',
    'signature_invalid',
    'desired_state_expired',
    'desired_state_leaps',
    'desired_state_replayed',
    'desired_state_wrong_device',
  ],
};

describe('errorClassOf', () => {
  const told = new Map(
    Object.entries(expected).flatMap(([errorClass, codes]) => codes.map((code) => [code, errorClass])),
  );

  // Every code of the catalogue: one that is listed here and not there, or there and not here, fails.
  it.each(Object.keys(errorCatalogue))('classifies %s', (code) => {
    const errorClass = told.get(code as ErrorCode) ?? 'version';
    expect(errorClassOf(code)).toBe(errorClass);
    expect(isEnvironmental(code)).toBe(errorClass === 'device' || errorClass === 'hub');
  });

  it.each(['not_a_code_of_ours', 'constructor', '__proto__', ''])(
    'classifies %j, with care, as the version’s',
    (code) => {
      expect(errorClassOf(code)).toBe('version');
    },
  );

  it('classifies no error of the environment as the version’s', () => {
    for (const code of Object.keys(errorCatalogue).filter((one) =>
      /^(disk|link|metadata|trust|hub)_/.test(one),
    )) {
      if (code === 'trust_exists') continue;
      expect(isEnvironmental(code), code).toBe(true);
    }
  });
});
