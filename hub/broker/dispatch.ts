/** Hands each message of a device to the part of the hub that its topic is for. No decision is made here. */
import type { DeviceSends } from '../../shared/protocol/topics.ts';
import type { BrokerHandlers, ConnectedAgent, DeviceMessage } from './broker.ts';

/**
 * Resolves when what the message says is stored. Garbage is logged and resolves as well, since it would be the same garbage
 * the next time; rejecting means "could not store it, send it again".
 */
export type MessageHandler = (deviceId: string, payload: Uint8Array) => Promise<void>;

export interface DispatchProps {
  readonly handlers: Readonly<Record<DeviceSends, MessageHandler>>;
  readonly devices: {
    connected(deviceId: string, agent: ConnectedAgent): void;
    disconnected(deviceId: string): void;
    touch(deviceId: string): void;
  };
  readonly inbox: { forget(deviceId: string): void };
}

export class Dispatch implements BrokerHandlers {
  readonly #props: DispatchProps;

  constructor(props: DispatchProps) {
    this.#props = props;
  }

  message({ deviceId, leaf, payload }: DeviceMessage): Promise<void> {
    this.#props.devices.touch(deviceId);
    // The broker lets no other leaf through.
    return this.#props.handlers[leaf as DeviceSends](deviceId, payload);
  }

  connected(deviceId: string, agent: ConnectedAgent): void {
    this.#props.devices.connected(deviceId, agent);
  }

  disconnected(deviceId: string): void {
    this.#props.inbox.forget(deviceId);
    this.#props.devices.disconnected(deviceId);
  }
}
