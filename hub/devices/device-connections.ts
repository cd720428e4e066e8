/** What devices need of the broker. */
export interface DeviceConnections {
  isConnected(deviceId: string): boolean;
  disconnect(deviceId: string): void;
  send(deviceId: string, topic: string, payload: Uint8Array, qos: 0 | 1): Promise<boolean>;
}
