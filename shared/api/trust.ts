/** The trust roles of the hub, and the keys that it signs with. */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { Digest } from '../base/names.ts';
import { Base64File } from './base64-file.ts';

const file = Base64File(limits.tufFileBytesMax);

/** Answer of `GET /trust`. */
export const TrustStatus = Type.Object(
  {
    initialised: Type.Boolean(),
    nextPublisherVersion: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
        description: "Version that the publisher's next metadata must have",
      }),
    ),
    roles: Type.Array(Type.Object({ role: Type.String(), version: Type.Integer(), expires: Type.String() })),
  },
  { $id: 'TrustStatus' },
);
export type TrustStatus = Static<typeof TrustStatus>;

const HubKey = Type.Object(
  { keyid: Digest, publicKeyPem: Type.String({ maxLength: 1_024 }) },
  { $id: 'HubKey' },
);

/** Answer of `GET /trust/keys`. */
export const HubKeys = Type.Object(
  { snapshot: HubKey, timestamp: HubKey, director: HubKey },
  { $id: 'HubKeys' },
);
export type HubKeys = Static<typeof HubKeys>;

/** Body and answer of `POST /trust`. */
export const TrustFiles = Type.Object(
  { root: file, targets: file, publisher: file, director: file },
  { $id: 'TrustFiles' },
);
export type TrustFiles = Static<typeof TrustFiles>;
export const TrustInitialised = Type.Object({ initialised: Type.Literal(true) }, { $id: 'TrustInitialised' });

/** Body and answer of `POST /trust/publisher`. */
export const PublisherMetadata = Type.Object({ metadata: file }, { $id: 'PublisherMetadata' });
export type PublisherMetadata = Static<typeof PublisherMetadata>;
export const PublisherRefreshed = Type.Object(
  { refreshed: Type.Literal(true) },
  { $id: 'PublisherRefreshed' },
);
