/**
 * Stands before aedes' parser on one connection: what it reads is judged first, and handed on in whole packets. aedes takes its bytes with
 * `read`, the one place to do so.
 */
import type { TLSSocket } from 'node:tls';
import { PacketCheck } from './packet-check.ts';
import type { PacketFault } from './packet-rules.ts';
import { UnfinishedPacket } from './unfinished-packet.ts';
import type { UnfinishedPackets } from './unfinished-packets.ts';

export interface PacketReaderProps {
  readonly socket: TLSSocket;
  /** Of the longest PUBLISH. */
  readonly bytesMax: number;
  readonly unfinished: UnfinishedPackets<TLSSocket>;
  /** False: what has come stays unread for now. */
  readonly mayRead: () => boolean;
  /** Nothing is read after it. */
  readonly onFault: (fault: PacketFault, isConnectSeen: boolean) => void;
  /** A good CONNECT has come, to its last byte. */
  readonly onConnect: () => void;
  /** Bytes were read, and with them the heads of so many packets that are no PUBLISH. */
  readonly onRead: (controlPackets: number) => void;
}

/** Pieces that Node may have waiting in one connection, each with hundreds of bytes of its own, before they are made one. */
const PIECES_MAX = 64;

export class PacketReader {
  readonly #props: PacketReaderProps;
  readonly #check: PacketCheck;
  readonly #packet = new UnfinishedPacket();
  readonly #read: (size?: number) => Buffer | null;
  #isRefused = false;
  /** At most so many pieces have come that are not read. */
  #pieces = 0;

  constructor(props: PacketReaderProps) {
    const { socket, bytesMax, unfinished } = props;
    this.#props = props;
    this.#check = new PacketCheck(bytesMax);
    this.#read = socket.read.bind(socket);
    socket.read = (size?: number) => this.#next(size);
    socket.on('readable', () => this.#arrived());
    socket.once('close', () => unfinished.ended(socket));
  }

  #next(size: number | undefined): Buffer | null {
    const { unfinished, mayRead, onFault, onConnect, onRead, socket } = this.#props;
    if (!mayRead()) return null;
    const bytes = this.#read(size);
    if (bytes === null || this.#isRefused) return null;
    this.#pieces = 0;
    const check = this.#check;
    const wasConnectSeen = check.isConnectSeen;
    const packetsBefore = check.controlPackets;
    const fault = check.faultIn(bytes);
    if (fault) {
      this.#isRefused = true;
      unfinished.ended(socket);
      onFault(fault, check.isConnectSeen);
      return null;
    }
    if (check.isConnectSeen && !wasConnectSeen) onConnect();
    onRead(check.controlPackets - packetsBefore);
    const whole = this.#packet.take(bytes, check.unfinishedBytes);
    if (whole !== null) unfinished.ended(socket);
    if (this.#packet.size > 0) unfinished.grown(socket, this.#packet.size);
    return whole;
  }

  /** Nobody may read them for long, and Node bounds their bytes only. */
  #arrived(): void {
    const { socket } = this.#props;
    this.#pieces += 1;
    if (this.#pieces <= PIECES_MAX || socket.readableLength >= socket.readableHighWaterMark) return;
    this.#pieces = 0;
    const bytes = this.#read();
    if (bytes !== null) socket.unshift(bytes);
  }
}
