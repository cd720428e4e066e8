import { describe, expect, it } from 'vitest';
import { blameOf, isSurroundings } from '../../../../shared/errors/blame.ts';
import { type ErrorCode, errorCatalogue } from '../../../../shared/errors/catalogue.ts';

/** What an update can stop on, and whose it is; every other code of the catalogue cannot end a step. */
const expected: Readonly<Record<'version' | 'wish' | 'device' | 'hub', readonly ErrorCode[]>> = {
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
  wish: ['manifest_mismatch', 'downgrade_refused', 'version_quarantined'],
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
    'trust_root_lost',
  ],
  hub: [
    'desired_changed',
    'link_lost',
    'link_refused',
    'hub_unreachable',
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

describe('blameOf', () => {
  const told = new Map(
    Object.entries(expected).flatMap(([blame, codes]) => codes.map((code) => [code, blame])),
  );

  // Every code of the catalogue: one that is listed here and not there, or there and not here, fails.
  it.each(Object.keys(errorCatalogue))('says whose trouble %s is', (code) => {
    const blame = told.get(code as ErrorCode) ?? 'version';
    expect(blameOf(code)).toBe(blame);
    expect(isSurroundings(code)).toBe(blame === 'device' || blame === 'hub');
  });

  it.each(['not_a_code_of_ours', 'constructor', '__proto__', ''])(
    'reads %j with care, as the version’s',
    (code) => {
      expect(blameOf(code)).toBe('version');
    },
  );

  it('lets nothing of the surroundings pass for the version’s', () => {
    for (const code of Object.keys(errorCatalogue).filter((one) =>
      /^(disk|link|metadata|trust|hub)_/.test(one),
    )) {
      if (code === 'trust_exists') continue;
      expect(isSurroundings(code), code).toBe(true);
    }
  });
});
