/**
 * What the hub needs of an MQTT broker. One implementation now: the embedded one (aedes-broker.ts); an external cluster
 * will be the second. The contract suite is test/contract/broker.ts.
 */
/** Who connected as a device, beside its certificate: what the agent says of its start, and from where. */
export interface ConnectedAgent {
  /** Random, new at each start of an agent: sent as the MQTT user name. */
  readonly instance?: string | undefined;
  readonly address?: string | undefined;
}

export interface DeviceMessage {
  readonly deviceId: string;
  /** The part of the topic after `mf/1/d/<id>/`. */
  readonly leaf: string;
  readonly payload: Uint8Array;
}

export interface BrokerHandlers {
  /**
   * Called for each message of a device, in order per device, without waiting for those before it where the hub stores what they say:
   * the handler keeps their order. The broker acknowledges the message (PUBACK) only after the promise has resolved (promise P4); when
   * it rejects, the message is not acknowledged and the connection is closed, so a handler rejects only when it cannot store
   * what it should, and holds what it cannot store now. Of a device with many messages unanswered no more is read.
   */
  message(message: DeviceMessage): Promise<void>;
  connected(deviceId: string, agent: ConnectedAgent): void;
  disconnected(deviceId: string): void;
}

export interface Broker {
  /** Port the broker listens on; known after `start`. */
  readonly port: number;
  start(handlers: BrokerHandlers): Promise<void>;
  close(): Promise<void>;
  isConnected(deviceId: string): boolean;
  connectedCount(): number;
  /** Publishes a retained message (QoS 1) that later subscribers also get; an empty payload removes it. */
  retain(topic: string, payload: Uint8Array): Promise<void>;
  /**
   * Writes to one connected device, past the broker's own queue, and resolves when the socket has taken it.
   * Returns false when the device is not connected or has more than `limits.chunkBytesQueuedPerDeviceMax` unread:
   * a device that stopped reading costs a bounded amount of memory and nobody else's time.
   */
  send(deviceId: string, topic: string, payload: Uint8Array, qos: 0 | 1): Promise<boolean>;
  /**
   * A figure that falls whenever the device's socket takes some of what was written to it, even of a message not yet whole;
   * undefined when the device is not connected.
   */
  unreadMark(deviceId: string): number | undefined;
  /** Closes the device's connection at once (revocation). */
  disconnect(deviceId: string): void;
}
