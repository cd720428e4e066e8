/**
 * The only place topic strings live. MQTT 3.1.1 topics below `mf/1/`. A device publishes and subscribes below
 * `mf/1/d/<its id>/` and subscribes to `mf/1/trust/+`; the broker enforces that from the certificate.
 */
import { limits } from '../base/limits.ts';
import { protocolVersion } from './version.ts';

const ROOT = `mf/${protocolVersion}`;

/** Messages a device sends, by the last part of `mf/1/d/<id>/…`. */
export const deviceSends = ['reported', 'events', 'telemetry', 'presence', 'reply', 'chunk/get'] as const;
export type DeviceSends = (typeof deviceSends)[number];

/** Messages a device receives, by the last part of `mf/1/d/<id>/…`; chunks end in their digest. */
export type DeviceReceives = 'desired' | 'command' | 'chunk/error' | `chunk/${string}`;

/** TUF roles the hub publishes as retained messages. `root` carries every root file in order; see trust-metadata.ts. */
export const topics = {
  device: (id: string, leaf: DeviceSends | DeviceReceives): string => `${ROOT}/d/${id}/${leaf}`,
  chunk: (id: string, digest: string): string => `${ROOT}/d/${id}/chunk/${digest}`,
  trust: (role: string): string => `${ROOT}/trust/${role}`,
  /** What a device subscribes to. */
  deviceFilters: (id: string): readonly string[] => [
    `${ROOT}/d/${id}/desired`,
    `${ROOT}/d/${id}/command`,
    `${ROOT}/d/${id}/chunk/+`,
    `${ROOT}/trust/+`,
  ],
} as const;

export type ParsedTopic =
  | { readonly kind: 'device'; readonly deviceId: string; readonly leaf: string }
  | { readonly kind: 'trust'; readonly role: string };

/** Takes a topic apart; undefined when it is none of ours. The device id is not checked here. */
export function parseTopic(topic: string): ParsedTopic | undefined {
  if (topic.length > limits.topicCharsMax || !topic.startsWith(`${ROOT}/`)) return undefined;
  const parts = topic.slice(ROOT.length + 1).split('/');
  if (parts[0] === 'd' && parts.length >= 3) {
    return { kind: 'device', deviceId: parts[1]!, leaf: parts.slice(2).join('/') };
  }
  if (parts[0] === 'trust' && parts.length === 2) return { kind: 'trust', role: parts[1]! };
  return undefined;
}
