/**
 * What a device may do on the broker, decided from its certificate's id and the packet alone. Every comparison is
 * exact, so that wildcards, NUL and broken UTF-8 in a topic or client id simply do not fit.
 */
import { limits } from '../../shared/base/limits.ts';
import { type DeviceSends, deviceSends, parseTopic, topics } from '../../shared/protocol/topics.ts';

interface LeafRule {
  readonly bytesMax: number;
  readonly mayRetain: boolean;
  /**
   * Messages of one lane are handled one after another. What is stored has none: it is answered when a group of messages was
   * committed, and waiting for each in turn would make every device as slow as the disk.
   */
  readonly lane: 'chunks' | undefined;
}

const control = { bytesMax: limits.controlMessageBytesMax, mayRetain: false, lane: undefined } as const;

const leafRules: Readonly<Record<DeviceSends, LeafRule>> = {
  reported: control,
  events: control,
  reply: control,
  presence: { bytesMax: 1024, mayRetain: true, lane: undefined },
  telemetry: { bytesMax: limits.telemetryReportBytesMax, mayRetain: false, lane: undefined },
  'chunk/get': { bytesMax: limits.controlMessageBytesMax, mayRetain: false, lane: 'chunks' },
};

/** Longest packet a device may send: the largest payload, its topic, and its header. */
export const inboundPacketBytesMax =
  Math.max(...Object.values(leafRules).map((rule) => rule.bytesMax)) + limits.topicCharsMax + 64;

export interface SentMessage {
  readonly topic: string;
  readonly payload: Uint8Array | string;
  readonly qos: number;
  readonly retain: boolean;
}

export type PublishVerdict =
  | { readonly allowed: true; readonly leaf: DeviceSends; readonly lane: LeafRule['lane'] }
  | { readonly allowed: false; readonly reason: string };

export function judgePublish(deviceId: string, message: SentMessage): PublishVerdict {
  const parsed = parseTopic(message.topic);
  if (parsed?.kind !== 'device' || parsed.deviceId !== deviceId) return refuse('topic of another device');
  const leaf = deviceSends.find((known) => known === parsed.leaf);
  if (!leaf) return refuse('topic on which devices do not publish');
  const rule = leafRules[leaf];
  if (message.qos > 1) return refuse('QoS 2');
  if (message.retain && !rule.mayRetain) return refuse('retained message');
  if (Buffer.byteLength(message.payload) > rule.bytesMax)
    return refuse(`payload over ${rule.bytesMax} bytes`);
  return { allowed: true, leaf, lane: rule.lane };
}

export function maySubscribe(deviceId: string, filter: string): boolean {
  return topics.deviceFilters(deviceId).includes(filter);
}

function refuse(reason: string): PublishVerdict {
  return { allowed: false, reason };
}
