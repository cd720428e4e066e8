/** What a reload changes in a running hub; part of the composition root. */
import { compareOptions, type Reloaded } from '../platform/reload.ts';
import type { Clock } from '../shared/base/clock.ts';
import type { AedesBroker } from './broker/aedes-broker.ts';
import { restHost } from './config/address-options.ts';
import { type HubOptions, reloadableOptions } from './config/options-schema.ts';
import type { Foundation } from './foundation.ts';
import { type AccessLog, closeAccessTarget, openAccessTarget } from './http/access-log.ts';
import type { HttpServer } from './http/server.ts';
import { TrustedProxies } from './http/trusted-proxies.ts';
import { readOwnCertificate } from './pki/own-certificate.ts';

interface ReloadedParts {
  readonly accessLog: AccessLog;
  readonly http: HttpServer;
  readonly broker: AedesBroker;
  readonly useProxies: (proxies: TrustedProxies) => void;
}

/** Reads options and certificates again: all of it is used, or nothing. `options` are changed in place. */
export function makeReload(
  options: HubOptions,
  { clock }: { readonly clock: Clock },
  { audit, authority, restIdentity }: Foundation,
  { accessLog, http, broker, useProxies }: ReloadedParts,
): (next: HubOptions) => Promise<Reloaded> {
  return async (next) => {
    // What may refuse comes first: nothing is changed until all of it can be used.
    const own = await readOwnCertificate(next, { host: restHost(next), now: clock.now() });
    const proxies = new TrustedProxies(next.trustedProxies);
    const accessTarget = openAccessTarget(next.accessLog);
    const isServerNew = await authority.reloadServer().catch((error: unknown) => {
      closeAccessTarget(accessTarget);
      throw error;
    });
    const compared = compareOptions(options, next, reloadableOptions);
    for (const key of reloadableOptions) (options as Record<string, unknown>)[key] = next[key];
    useProxies(proxies);
    // Also when the option is the same: the file may have been renamed to rotate it.
    accessLog.use(accessTarget);
    const isRestNew = restIdentity.replace(own) || (isServerNew && !own);
    if (isRestNew) http.useCertificate(restIdentity.current);
    if (isServerNew) broker.useCertificate({ key: authority.serverKeyPem, cert: authority.serverCertPem });
    const renewed = [
      ...(isRestNew ? ['certificate of the REST API'] : []),
      ...(isServerNew ? ['certificate of the broker'] : []),
    ];
    const details = { ...compared, renewed };
    await audit.append({ actor: 'hub', action: 'hub.reloaded', target: 'hub', details });
    return details;
  };
}
