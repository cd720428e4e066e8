/**
 * Checks of a rollout before it begins: whether its version breaks the clients of what the devices run, and
 * which devices would refuse it. A certain refusal rejects the rollout here, with names; a possible one is a warning.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { breakingChanges, listChanges } from '../../shared/inference/interface-changes.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { nameDevices } from './device-names.ts';
import { isCertain, type ObjectionKind, objectionKinds } from './device-objections.ts';
import type { RolloutVersions } from './rollout-evidence.ts';
import type { Named, TargetSurvey } from './target-survey.ts';

/** Each for a sentence that begins with the number of devices and ends with their names. */
const texts: Readonly<
  Record<ObjectionKind, { readonly why: readonly [one: string, more: string]; readonly fix: string }>
> = {
  downgrade: {
    why: [
      'committed a higher release and refuses a lower one',
      'committed a higher release and refuse a lower one',
    ],
    fix: 'Publish the content with a higher release. To undo a version, roll back its rollout.',
  },
  'no-provider': {
    why: [
      'has no execution provider that a variant of it supports',
      'have no execution provider that a variant of it supports',
    ],
    fix: 'Publish it with a variant for their provider, or choose a group without them.',
  },
  'too-many-models': {
    why: ['already runs the maximum number of models', 'already run the maximum number of models'],
    fix: 'Remove a model from them with "modelfleet models unassign", or choose a group without them.',
  },
  quarantined: {
    why: [
      'has the version in quarantine and will refuse it',
      'have the version in quarantine and will refuse it',
    ],
    fix: 'Check the reason; "modelfleet devices release ID --model MODEL" ends the quarantine.',
  },
  memory: {
    why: [
      'has less memory than the smallest model file of the version needs',
      'have less memory than the smallest model file of the version needs',
    ],
    fix: 'They may fail to load it.',
  },
  disk: {
    why: ['has too little free disk space at present', 'have too little free disk space at present'],
    fix: 'They wait until enough space is free.',
  },
  'not-reported': {
    why: [
      'has not reported what it runs since the hub was restored',
      'have not reported what they run since the hub was restored',
    ],
    fix: 'What the version breaks for their clients, and whether they would refuse it, is not known until they report.',
  },
};

/**
 * Throws `rollout_downgrade` or `rollout_target_unfit` for what devices are certain to refuse; returns the warnings.
 */
export function checkObjections(what: string, { objections }: TargetSurvey): readonly string[] {
  const warnings: string[] = [];
  for (const kind of objectionKinds) {
    const named = objections.get(kind);
    if (named === undefined) continue;
    const { why, fix } = texts[kind];
    const does = named.devices === 1 ? why[0] : why[1];
    if (!isCertain(kind)) {
      warnings.push(`${countOf(named)} ${does}: ${namesOf(named)}. ${fix}`);
      continue;
    }
    throw new AppError(
      kind === 'downgrade' ? 'rollout_downgrade' : 'rollout_target_unfit',
      `Cannot roll out ${what}: ${countOf(named)} ${does}: ${namesOf(named)}. ${fix}`,
      { details: { devices: named.devices, kind } },
    );
  }
  return warnings;
}

/** What the version breaks, as one phrase for each version that devices run now or are to run; empty when nothing. */
export async function findBreaking(
  published: PublishedVersion,
  { versions: running }: TargetSurvey,
  versions: RolloutVersions,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [version, named] of running) {
    if (version === published.version) continue;
    const before = await versions.find(published.model, version);
    const changes = before ? breakingChanges(before.manifest.interface, published.manifest.interface) : [];
    if (changes.length > 0) {
      found.push(`clients of ${version} (${countOf(named)}, ${namesOf(named)}): ${listChanges(changes)}`);
    }
  }
  return found;
}

function countOf({ devices }: Named): string {
  return devices === 1 ? '1 device' : `${devices} devices`;
}

function namesOf({ devices, examples }: Named): string {
  return nameDevices(examples, devices);
}
