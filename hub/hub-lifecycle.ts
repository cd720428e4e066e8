/** What a hub is to whoever starts it: options of a start, what it answers, and how it is stopped and reloaded. */

import type { Reloaded } from '../platform/reload.ts';
import type { NewToken } from './access/token-service.ts';
import type { HubOptions } from './config/options-schema.ts';

/** What a hub that has started says of itself. */
export interface HubAddresses {
  readonly url: string;
  readonly mqtt: { readonly host: string; readonly port: number };
  readonly caPem: string;
  /** SHA-256 of the CA certificate. */
  readonly caSha256: string;
  /** What verifies the REST API where it is not the hub's CA: `system`, or the SHA-256 of another CA. */
  readonly restTrust?: string;
  /** The admin token this start made, with its secret; only on the first start or when one was asked for. */
  readonly adminToken?: NewToken;
  /** File that holds its secret, where `StartOptions.adminTokenInFile` asked for it. */
  readonly adminTokenFile?: string;
}

/** What the operator asks of one start. */
export interface StartOptions {
  /** Make an admin token even when there are tokens (to restore access when all secrets are lost). */
  readonly newAdminToken?: boolean;
  /** Write the secret of an admin token that this start makes to a file of the data folder. */
  readonly adminTokenInFile?: boolean;
  /** Start although the data folder lacks what belongs to it, and make anew what can be made. */
  readonly acceptLoss?: boolean;
  /** The data folder was set back by other means than `restore`: go above what devices have seen since. */
  readonly catchUp?: boolean;
}

export interface Hub {
  /**
   * Throws `data_folder_locked`, `data_folder_newer`, `data_folder_incomplete`, `restored_clock_behind`, `port_in_use`; after that nothing of the hub is
   * left running.
   */
  start(options?: StartOptions): Promise<HubAddresses>;
  /**
   * Takes other options while it runs, and reads certificates again. Throws, and changes nothing, when they cannot be used, or when the hub is
   * not running.
   */
  reload(options: HubOptions): Promise<Reloaded>;
  /** Ends what is under way, then closes everything, also where a part fails to; that failure is thrown. Safe to call twice. */
  stop(): Promise<void>;
}
