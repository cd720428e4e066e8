/**
 * Predicts why a device would refuse a version: the device's own rules, applied to its last report.
 * Pure. For a device that has never reported no objection is known.
 */
import { limits } from '../../shared/base/limits.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import type { FleetReport } from './rollout-evidence.ts';

/** Longest reason of one device in a sentence about several. */
const REASON_CHARS = 120;

/** In order of weight. A quarantine may be lifted on the device, memory and disk may become free: those are not certain. */
export const objectionKinds = [
  'downgrade',
  'no-provider',
  'too-many-models',
  'quarantined',
  'memory',
  'disk',
  'not-reported',
] as const;
export type ObjectionKind = (typeof objectionKinds)[number];

export interface Objection {
  readonly kind: ObjectionKind;
  /** The property of the device that conflicts with the version: `release 7`. */
  readonly detail: string;
}

/** The device is certain to refuse the version, whatever happens until then. */
export function isCertain(kind: ObjectionKind): boolean {
  return kind === 'downgrade' || kind === 'no-provider' || kind === 'too-many-models';
}

export interface Candidate {
  readonly version: PublishedVersion;
  /** Other models that the hub wants on the device. */
  readonly otherModels: number;
  readonly now: number;
}

export function objectionsOf(
  { facts, reported, isReportLost }: FleetReport,
  { version, otherModels, now }: Candidate,
): readonly Objection[] {
  const { model, manifest, manifestSha256 } = version;
  const objections: Objection[] = [];
  const object = (kind: ObjectionKind, detail: string) => objections.push({ kind, detail });
  const entry = reported?.models.find((one) => one.model === model);
  const kept = [entry?.active, ...(entry?.previous ?? [])].filter((one) => one !== undefined);
  const isKept = kept.some((one) => one.manifest === manifestSha256);

  const floor = entry?.floor ?? 0;
  if (version.release < floor && !isKept) object('downgrade', `release ${floor}`);

  const wanted = new Set(manifest.variants.flatMap((variant) => variant.providers));
  if (facts.providers.length > 0 && !facts.providers.some((provider) => wanted.has(provider))) {
    object('no-provider', facts.providers.join('/'));
  }

  const others =
    reported?.models.filter((one) => one.model !== model && one.active !== undefined).length ?? 0;
  const models = Math.max(others, otherModels);
  if (models >= limits.modelsPerDeviceMax) object('too-many-models', `${models} others`);

  const quarantined = entry?.quarantined.find((one) => one.version === version.version);
  if (quarantined && Date.parse(quarantined.until) > now)
    object('quarantined', shorten(quarantined.reason, REASON_CHARS));

  const sizes = new Map(manifest.files.map((file) => [file.path, file.bytes]));
  const smallest = Math.min(...manifest.variants.map((variant) => sizes.get(variant.file) ?? 0));
  if (facts.memoryBytes > 0 && smallest > facts.memoryBytes) object('memory', `${facts.memoryBytes} bytes`);

  const bytes = [...sizes.values()].reduce((sum, one) => sum + one, 0) + limits.freeSpaceMarginBytes;
  if (reported && !isKept && reported.freeBytes < bytes) object('disk', `${reported.freeBytes} bytes free`);
  if (isReportLost) object('not-reported', 'no report since the restore');
  return objections;
}
