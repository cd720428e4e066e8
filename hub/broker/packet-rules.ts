/**
 * What MQTT 3.1.1 demands of the packets a client sends, clause by clause. aedes' parser takes much that the standard tells a
 * server to refuse, and reads a field that a packet is too short for from the packet behind it. Pure.
 */
import { PacketFields } from './packet-fields.ts';

export const packetTypes = {
  connect: 1,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
} as const;

const LEVEL = 4;

/** Why a packet is refused. Its connection is closed [MQTT-4.8.0-1], after a CONNACK where there is a code. */
export interface PacketFault {
  readonly reason: string;
  readonly returnCode?: 1 | 2 | 5;
}

/** First byte and remaining length, before anything else of the packet has come. */
export function judgeHeader(firstByte: number, length: number): PacketFault | undefined {
  const [type, flags] = [firstByte >> 4, firstByte & 0x0f];
  switch (type) {
    case packetTypes.publish: {
      const qos = (flags >> 1) & 3;
      if (qos === 3) return fault('QoS 3 [MQTT-3.3.1-4]');
      return qos === 0 && flags & 8 ? fault('QoS 0 with DUP [MQTT-3.3.1-2]') : undefined;
    }
    case packetTypes.connect:
      return flagsAre(0, flags);
    case packetTypes.subscribe:
    case packetTypes.unsubscribe:
      return flagsAre(2, flags);
    case packetTypes.pubrel:
      return flagsAre(2, flags) ?? lengthIs(2, length);
    case packetTypes.puback:
    case packetTypes.pubrec:
    case packetTypes.pubcomp:
      return flagsAre(0, flags) ?? lengthIs(2, length);
    case packetTypes.pingreq:
    case packetTypes.disconnect:
      return flagsAre(0, flags) ?? lengthIs(0, length);
    default:
      return fault(`packet type ${type}, which no client sends`);
  }
}

/** `keepaliveSecondsMax`: the longest time between two packets that this hub lets a client choose. */
export function judgeConnect(body: Uint8Array, keepaliveSecondsMax: number): PacketFault | undefined {
  const fields = new PacketFields(body);
  const [protocol, level] = [fields.text(), fields.byte()];
  if (protocol !== 'MQTT' && protocol !== 'MQIsdp') return fault('another protocol [MQTT-3.1.2-1]');
  if (level !== LEVEL) return fault(`protocol level ${level} [MQTT-3.1.2-2]`, 1);
  if (protocol !== 'MQTT') return fault('protocol name of another level [MQTT-3.1.2-1]');
  const [flags, keepalive, clientId] = [fields.byte(), fields.number(), fields.text()];
  if (flags === undefined || keepalive === undefined || clientId === undefined) return malformed();
  if (flags & 1) return fault('reserved connect flag [MQTT-3.1.2-3]');
  const [hasUser, hasPassword] = [(flags & 0x80) !== 0, (flags & 0x40) !== 0];
  const [willQos, hasWill, isClean] = [(flags >> 3) & 3, (flags & 4) !== 0, (flags & 2) !== 0];
  if (willQos === 3) return fault('last will with QoS 3 [MQTT-3.1.2-14]');
  if (!hasWill && flags & 0x38) return fault('QoS or retain flag without a last will [MQTT-3.1.2-13]');
  if (!hasUser && hasPassword) return fault('password without user name [MQTT-3.1.2-22]');
  if (hasWill) {
    const [topic, message] = [fields.text(), fields.binary()];
    if (topic === undefined || message === undefined) return malformed();
    if (!isTopicName(topic)) return fault('topic of the last will [MQTT-3.1.3-10]');
  }
  if (hasUser && fields.text() === undefined) return fault('user name [MQTT-3.1.3-11]');
  if (hasPassword && fields.binary() === undefined) return malformed();
  if (fields.left > 0) return fault('bytes after the fields that the connect flags announce [MQTT-3.1.3-1]');
  if (clientId === '' && !isClean) return fault('no client id for a session that is kept [MQTT-3.1.3-8]', 2);
  // 3.1.1 has no code for it; one that a client knows says more than a closed connection.
  if (keepalive === 0 || keepalive > keepaliveSecondsMax) return fault(`keepalive of ${keepalive} s`, 5);
  return undefined;
}

/** `start`: the topic and what follows it of a PUBLISH; all of it, or as much as the longest topic needs. */
export function judgePublishStart(firstByte: number, start: Uint8Array): PacketFault | undefined {
  const fields = new PacketFields(start);
  const topic = fields.text();
  if (topic === undefined) return fault('topic too long or not UTF-8 text [MQTT-3.3.2-1]');
  if (!isTopicName(topic)) return fault('topic with a wildcard, or empty [MQTT-3.3.2-2]');
  return (firstByte >> 1) & 3 ? judgeId(fields) : undefined;
}

/** PUBACK, PUBREC, PUBREL and PUBCOMP. */
export function judgeAcknowledgement(body: Uint8Array): PacketFault | undefined {
  return judgeId(new PacketFields(body));
}

/** SUBSCRIBE and UNSUBSCRIBE. Tells how many filters there are, as far as they are well-formed. */
export function judgeFilters(
  type: typeof packetTypes.subscribe | typeof packetTypes.unsubscribe,
  body: Uint8Array,
): { readonly filters: number; readonly fault?: PacketFault | undefined } {
  const fields = new PacketFields(body);
  const idFault = judgeId(fields);
  if (idFault) return { filters: 0, fault: idFault };
  if (fields.left === 0) return { filters: 0, fault: fault('no topic filter [MQTT-3.8.3-3, 3.10.3-2]') };
  for (let filters = 0; ; filters += 1) {
    if (fields.left === 0) return { filters };
    const filter = fields.text();
    if (filter === undefined)
      return { filters, fault: fault('topic filter is not UTF-8 text [MQTT-3.8.3-1]') };
    if (!isTopicFilter(filter)) return { filters, fault: fault('topic filter [MQTT-4.7.1-1]') };
    if (type === packetTypes.unsubscribe) continue;
    const qos = fields.byte();
    if (qos === undefined || qos > 2) return { filters, fault: fault('requested QoS [MQTT-3-8.3-4]') };
  }
}

function judgeId(fields: PacketFields): PacketFault | undefined {
  const id = fields.number();
  if (id === undefined) return malformed();
  return id === 0 ? fault('packet id 0 [MQTT-2.3.1-1]') : undefined;
}

function isTopicName(topic: string): boolean {
  return topic !== '' && !/[+#]/.test(topic);
}

/** Wildcards stand for whole levels, `#` for the last ones [MQTT-4.7.1-2, 4.7.1-3]. */
function isTopicFilter(filter: string): boolean {
  if (filter === '') return false;
  const levels = filter.split('/');
  return levels.every(
    (level, at) => level === '+' || (level === '#' && at === levels.length - 1) || !/[+#]/.test(level),
  );
}

function flagsAre(wanted: number, flags: number): PacketFault | undefined {
  return flags === wanted ? undefined : fault('reserved flags [MQTT-2.2.2-2]');
}

function lengthIs(wanted: number, length: number): PacketFault | undefined {
  return length === wanted ? undefined : fault(`a body of ${length} bytes instead of ${wanted}`);
}

function malformed(): PacketFault {
  return fault('a field is missing or malformed');
}

function fault(reason: string, returnCode?: PacketFault['returnCode']): PacketFault {
  return returnCode === undefined ? { reason } : { reason, returnCode };
}
