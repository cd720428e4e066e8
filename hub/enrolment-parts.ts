/** How devices become devices: join tokens and enrolments. Part of the composition root (hub.ts). */
import type { DeviceService } from './devices/device-service.ts';
import type { Foundation, HubEnvironment } from './foundation.ts';
import { enrolmentRoutes } from './pki/enrolment-routes.ts';
import { EnrolmentService } from './pki/enrolment-service.ts';
import { EnrolmentStore } from './pki/enrolment-store.ts';
import { joinTokenRoutes } from './pki/join-token-routes.ts';
import { JoinTokenService } from './pki/join-token-service.ts';
import { JoinTokenStore } from './pki/join-token-store.ts';
import type { TufRepository } from './signing/tuf-repository.ts';

export interface EnrolmentDependencies {
  readonly devices: DeviceService;
  readonly trust: TufRepository;
  /** Where devices find the hub; known once it listens. */
  readonly hubUrl: () => string;
  readonly mqtt: () => { readonly host: string; readonly port: number };
  /** What devices verify the REST API with, where it is not the hub's CA. */
  readonly restTrust: () => string | undefined;
}

export function makeEnrolmentParts(
  { clock }: Pick<HubEnvironment, 'clock'>,
  { database, audit, authority }: Foundation,
  { devices, trust, hubUrl, mqtt, restTrust }: EnrolmentDependencies,
) {
  const rootFile = () => trust.rootFile();
  const joinTokenStore = new JoinTokenStore(database);
  const joinTokens = new JoinTokenService({
    database,
    store: joinTokenStore,
    audit,
    clock,
    caSha256: authority.caSha256,
    hubUrl,
    restTrust,
    rootFile,
  });
  const enrolmentStore = new EnrolmentStore(database);
  devices.onRemoved({
    remove: (id, _now, tx) => enrolmentStore.forget(id, tx),
    removed: async () => undefined,
  });
  const enrolments = new EnrolmentService({
    database,
    store: joinTokenStore,
    enrolments: enrolmentStore,
    devices,
    authority,
    audit,
    clock,
    mqtt,
    rootFile,
  });
  return { joinTokenStore, joinTokens, routes: [enrolmentRoutes(enrolments), joinTokenRoutes(joinTokens)] };
}
