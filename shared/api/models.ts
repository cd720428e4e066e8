/** Models and their versions. */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { DeviceId, Digest, GroupName, ModelName, SemVer } from '../base/names.ts';
import { ModelManifest } from '../manifest/model-manifest.ts';
import { Base64File } from './base64-file.ts';
import { Milliseconds } from './milliseconds.ts';
import { next } from './page.ts';

export const versionStates = ['published', 'withdrawn'] as const;
export type VersionState = (typeof versionStates)[number];

/** Answer of `POST /models/{model}/versions` and of a withdrawal. */
export const VersionSummary = Type.Object(
  {
    model: ModelName,
    version: SemVer,
    release: Type.Integer(),
    manifestSha256: Digest,
    publishedAt: Milliseconds,
    publishedBy: Type.String(),
    withdrawn: Type.Optional(Type.Object({ at: Milliseconds, reason: Type.String() })),
    contentLeftAt: Type.Optional(
      Type.Integer({ description: 'When its files left, long after it was withdrawn' }),
    ),
  },
  { $id: 'VersionSummary' },
);
export type VersionSummary = Static<typeof VersionSummary>;

/** Answer of `GET /models/{model}/versions/{version}`. */
export const Version = Type.Object(
  {
    ...VersionSummary.properties,
    bytes: Type.Integer({ description: 'Bytes of all artifacts' }),
    manifest: ModelManifest,
  },
  { $id: 'Version' },
);
export type Version = Static<typeof Version>;

/** Answer of `GET /models/{model}`. */
export const VersionPage = Type.Object(
  { model: ModelName, versions: Type.Array(VersionSummary), next },
  { $id: 'VersionPage' },
);
export type VersionPage = Static<typeof VersionPage>;

export const Model = Type.Object(
  { model: ModelName, versions: Type.Integer(), newest: VersionSummary },
  { $id: 'Model' },
);
export type Model = Static<typeof Model>;

/** Answer of `GET /models`. */
export const ModelPage = Type.Object({ models: Type.Array(Model), next }, { $id: 'ModelPage' });
export type ModelPage = Static<typeof ModelPage>;

/** Body of `POST /models/{model}/versions`. `metadata`: the next publisher metadata, signed, which names the manifest. */
export const PublishRequest = Type.Object(
  {
    manifest: Base64File(limits.manifestBytesMax),
    metadata: Base64File(limits.tufFileBytesMax),
    breaking: Type.Optional(
      Type.Boolean({
        description: 'Although the interface breaks clients of the newest version before it',
      }),
    ),
  },
  { $id: 'PublishRequest' },
);
export type PublishRequest = Static<typeof PublishRequest>;

/** Body of `POST /models/{model}/versions/{version}/withdraw`. */
export const WithdrawRequest = Type.Object(
  {
    reason: Type.String({ minLength: 1, maxLength: limits.withdrawReasonCharsMax }),
    metadata: Base64File(limits.tufFileBytesMax),
  },
  { $id: 'WithdrawRequest' },
);
export type WithdrawRequest = Static<typeof WithdrawRequest>;

/** Body and answer of `POST /models/{model}/unassign`. */
export const UnassignRequest = Type.Union(
  [Type.Object({ device: DeviceId }), Type.Object({ group: GroupName })],
  { $id: 'UnassignRequest' },
);
export type UnassignRequest = Static<typeof UnassignRequest>;
export const Unassigned = Type.Object(
  {
    model: ModelName,
    devices: Type.Integer({ description: 'Devices whose desired state drops it' }),
    failed: Type.Array(Type.Object({ device: DeviceId, code: Type.String(), message: Type.String() }), {
      description: 'Devices whose desired state could not be signed',
    }),
  },
  { $id: 'Unassigned' },
);
export type Unassigned = Static<typeof Unassigned>;
