/**
 * Looks at the bytes of one connection before aedes does, and finds the packet that MQTT 3.1.1 or the hub's limits do not allow.
 * A PUBLISH is judged by its first bytes, so that its payload is copied nowhere; every other packet is short.
 */
import { limits } from '../../shared/base/limits.ts';
import { PacketLengthGuard, type PacketWatcher } from '../../shared/protocol/packet-length-guard.ts';
import {
  judgeAcknowledgement,
  judgeConnect,
  judgeFilters,
  judgeHeader,
  judgePublishStart,
  type PacketFault,
  packetTypes,
} from './packet-rules.ts';

/** Length, topic and packet id; the topics that devices send on are ASCII. */
const PUBLISH_START_BYTES = 2 + limits.topicCharsMax + 2;

export class PacketCheck implements PacketWatcher {
  readonly #guard: PacketLengthGuard;
  readonly #bytesMax: number;
  #fault: PacketFault | undefined;
  #isConnectSeen = false;
  #stage: 'before CONNECT' | 'after CONNECT' | 'after DISCONNECT' = 'before CONNECT';
  #firstByte = 0;
  /** How many bytes of the present packet are judged, how many of them have come, and those, where they come in pieces. */
  #wanted = 0;
  #filled = 0;
  #pieces = new Uint8Array();
  #filters = 0;
  #controlPackets = 0;

  /** `bytesMax`: of the longest PUBLISH. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#guard = new PacketLengthGuard(bytesMax, this);
  }

  /** Whether a good CONNECT has come, to its last byte. */
  get isConnectSeen(): boolean {
    return this.#isConnectSeen;
  }

  /** Packets that are no PUBLISH, so far. */
  get controlPackets(): number {
    return this.#controlPackets;
  }

  /** Bytes that have come of a packet whose end has not. */
  get unfinishedBytes(): number {
    return this.#guard.unfinishedBytes;
  }

  /** What is wrong with the next bytes of the connection, of which nothing may be taken after that. */
  faultIn(bytes: Uint8Array): PacketFault | undefined {
    if (this.#guard.accepts(bytes)) return undefined;
    return this.#fault ?? { reason: `a length over ${this.#bytesMax} bytes, or none` };
  }

  header(firstByte: number, length: number): boolean {
    this.#firstByte = firstByte;
    this.#fault = judgeHeader(firstByte, length) ?? this.#judgeOrder() ?? this.#judgeLength(length);
    if (this.#fault) return false;
    const isPublish = this.#type === packetTypes.publish;
    if (!isPublish) this.#controlPackets += 1;
    this.#wanted = isPublish ? Math.min(length, PUBLISH_START_BYTES) : length;
    this.#filled = 0;
    return length > 0 || this.#judge(new Uint8Array());
  }

  body(piece: Uint8Array): boolean {
    if (this.#filled === this.#wanted) return true;
    const part = piece.subarray(0, this.#wanted - this.#filled);
    if (part.length === this.#wanted) {
      this.#filled = this.#wanted;
      return this.#judge(part);
    }
    if (this.#filled === 0) this.#pieces = new Uint8Array(this.#wanted);
    this.#pieces.set(part, this.#filled);
    this.#filled += part.length;
    return this.#filled < this.#wanted || this.#judge(this.#pieces);
  }

  get #type(): number {
    return this.#firstByte >> 4;
  }

  #judge(part: Uint8Array): boolean {
    this.#fault = this.#faultOf(part);
    if (this.#fault) return false;
    this.#isConnectSeen = true;
    return true;
  }

  #faultOf(part: Uint8Array): PacketFault | undefined {
    const type = this.#type;
    switch (type) {
      case packetTypes.connect:
        return judgeConnect(part, limits.mqttKeepaliveSecondsMax);
      case packetTypes.publish:
        return judgePublishStart(this.#firstByte, part);
      case packetTypes.subscribe:
      case packetTypes.unsubscribe: {
        const { filters, fault } = judgeFilters(type, part);
        this.#filters += filters;
        return fault ?? this.#judgeFilterCount();
      }
      case packetTypes.pingreq:
      case packetTypes.disconnect:
        return undefined;
      default:
        return judgeAcknowledgement(part);
    }
  }

  /** CONNECT first, and once [MQTT-3.1.0-1, 3.1.0-2]; nothing after DISCONNECT (section 3.14.4). */
  #judgeOrder(): PacketFault | undefined {
    const isConnect = this.#type === packetTypes.connect;
    if (this.#stage === 'after DISCONNECT' || isConnect !== (this.#stage === 'before CONNECT')) {
      return { reason: `packet type ${this.#type} ${this.#stage}` };
    }
    this.#stage = this.#type === packetTypes.disconnect ? 'after DISCONNECT' : 'after CONNECT';
    return undefined;
  }

  #judgeLength(length: number): PacketFault | undefined {
    const isFit = this.#type === packetTypes.publish || length <= limits.mqttControlPacketBytesMax;
    return isFit ? undefined : { reason: `a packet over ${limits.mqttControlPacketBytesMax} bytes` };
  }

  #judgeFilterCount(): PacketFault | undefined {
    if (this.#filters <= limits.mqttFiltersPerConnectionMax) return undefined;
    return { reason: `more than ${limits.mqttFiltersPerConnectionMax} topic filters on one connection` };
  }
}
