/** What the log says of connections of devices: when each began and ended, from where, for how long, and why. */
import type { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';

/** A connection; its id is that of the device. */
interface Connection {
  readonly id: string;
}

export class ConnectionLog {
  readonly #log: LimitedLog;
  readonly #logger: Logger;
  readonly #connectedAt = new WeakMap<Connection, number>();
  /** What ended a connection, where it was a fault. */
  readonly #reasons = new WeakMap<Connection, string>();

  /** Devices can provoke these lines as often as they like: `log` limits them. */
  constructor(log: LimitedLog, logger: Logger) {
    this.#log = log;
    this.#logger = logger;
  }

  connected(connection: Connection, address: string | undefined): void {
    this.#connectedAt.set(connection, performance.now());
    this.#log.info(connection.id, { device: connection.id, address }, 'device connected');
  }

  disconnected(connection: Connection, address: string | undefined): void {
    const since = this.#connectedAt.get(connection);
    const fields = {
      device: connection.id,
      address,
      ...(since !== undefined && { connectedMs: Math.round(performance.now() - since) }),
      reason: this.#reasons.get(connection),
    };
    this.#log.info(connection.id, fields, 'device disconnected');
  }

  /** The connection ends with a fault; `disconnected` follows. */
  failed(connection: Connection, reason: string): void {
    this.#reasons.set(connection, reason);
    this.#logger.debug({ device: connection.id, reason }, 'the connection of a device failed');
  }
}
