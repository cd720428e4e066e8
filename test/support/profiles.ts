/** Reference profiles, manifests and reports for telemetry tests. */
import { createHash } from 'node:crypto';
import type { PublishedVersion } from '../../hub/models/published-version.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { NumericProfile, ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { TelemetryReport } from '../../shared/protocol/telemetry-report.ts';

/** Ten equal bins of 1,000 rows each over [0, 1]. */
export function uniformFeature(name: string, column = 0): NumericProfile {
  return {
    kind: 'numeric',
    name,
    role: 'input',
    source: { tensor: 'x', column },
    edges: Array.from({ length: 11 }, (_, i) => i / 10),
    counts: [0, ...new Array<number>(10).fill(1_000), 0],
    missing: 0,
    moments: { n: 10_000, shift: 0.5, sum: 0, sumSquares: 10_000 / 12 },
  };
}

export function uniformProfile(features: number): ReferenceProfile {
  return {
    rows: 10_000,
    features: Array.from({ length: features }, (_, i) => uniformFeature(`f${i}`, i)),
  };
}

export interface VersionOptions {
  readonly model?: string;
  readonly version?: string;
  readonly profile?: ReferenceProfile;
  readonly label?: ModelManifest['label'];
}

export function publishedVersion(options: VersionOptions = {}): PublishedVersion {
  const { model = 'air', version = '1.0.0', profile = uniformProfile(2), label } = options;
  const manifestSha256 = createHash('sha256').update(`${model} ${version}`).digest('hex');
  const tensor = { name: 'x', datatype: 'FP32' as const, shape: [-1, Math.max(1, profile.features.length)] };
  return {
    model,
    version,
    release: 1,
    manifestSha256,
    manifest: {
      v: 1,
      model,
      version,
      release: 1,
      created: '2026-11-01T00:00:00Z',
      files: [
        { path: 'model.onnx', role: 'model', sha256: manifestSha256, bytes: 1, chunks: [manifestSha256] },
      ],
      variants: [{ file: 'model.onnx', precision: 'fp32', providers: ['cpu'] }],
      interface: { inputs: [tensor], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }] },
      golden: { file: 'golden.json', tolerances: {} },
      profile,
      ...(label ? { label } : {}),
    },
    publishedAt: 0,
    publishedBy: 'test',
  };
}

/** A lookup that knows the given versions, as ModelService would. */
export function versionsOf(...versions: readonly PublishedVersion[]) {
  return {
    find: async (model: string, version: string) =>
      versions.find((v) => v.model === model && v.version === version),
  };
}

/** Says that every device was offered every version, for no rollout. */
export const offeredToAll = {
  isOfDevice: async () => true,
  offeredAt: async (claims: readonly unknown[]) => claims.map(() => undefined),
  waitingFor: async (devices: readonly unknown[]) => devices.map(() => undefined),
};

/** Says that every device is one of the hub, in the group `default`. */
export const presentAll = {
  groupsOf: async (ids: readonly string[]) => new Map(ids.map((id) => [id, 'default'])),
};

/** A report of `rows` rows, all in the first bin of each feature unless `counts` says otherwise. */
export function report(
  of: PublishedVersion,
  fields: Partial<TelemetryReport> & { readonly rows?: number } = {},
): TelemetryReport {
  const { rows = 10, ...rest } = fields;
  return {
    v: 1,
    stream: '00000000000000aa',
    number: 1,
    from: 0,
    to: 60_000,
    model: of.model,
    version: of.version,
    manifest: of.manifestSha256,
    requests: { ok: rows, failed: {} },
    crashes: 0,
    features: (of.manifest.profile?.features ?? []).map((feature) => ({
      name: feature.name,
      counts: Array.from({ length: feature.counts.length }, (_, i) => (i === 1 ? rows : 0)),
      missing: 0,
    })),
    dropped: 0,
    ...rest,
  };
}
