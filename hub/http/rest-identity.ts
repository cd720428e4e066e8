/** Which certificate the REST API shows: the operator's own, read again on reload, else the one of the hub's CA. */
import type { Logger } from '../../platform/logger.ts';
import type { ServerIdentity } from '../pki/certificate-renewal.ts';
import type { OwnCertificate } from '../pki/own-certificate.ts';

export interface RestIdentityProps {
  readonly own: OwnCertificate | undefined;
  /** The hub CA's, as it is now. */
  readonly hubs: () => ServerIdentity;
  readonly logger: Logger;
}

export class RestIdentity {
  readonly #props: RestIdentityProps;
  #own: OwnCertificate | undefined;

  constructor(props: RestIdentityProps) {
    this.#props = props;
    this.#own = props.own;
    this.#warn();
  }

  get own(): OwnCertificate | undefined {
    return this.#own;
  }

  get current(): ServerIdentity {
    return this.#own ?? this.#props.hubs();
  }

  /** Returns whether another certificate or key is shown now. */
  replace(own: OwnCertificate | undefined): boolean {
    const before = this.current;
    this.#own = own;
    this.#warn();
    return before.cert !== this.current.cert || before.key !== this.current.key;
  }

  #warn(): void {
    for (const warning of this.#own?.warnings ?? [])
      this.#props.logger.warn({ warning }, 'own certificate of the REST API may be refused by clients');
  }
}
