/**
 * A log that others cannot fill: what a peer can provoke is written at once the first time, then at most once a minute for each
 * subject and message, with how many were left out. So many lines of one message a minute are written for all subjects
 * together; what is beyond is told with the next line of that message. Memory is bounded: of too many subjects the one that was
 * quiet longest is forgotten, and what was left out of it is told likewise.
 */
import type { Logger } from './logger.ts';

export const lineEveryMs = 60_000;
export const linesPerMinuteMax = 60;
const SUBJECTS_MAX = 2_000;

interface Subject {
  readonly message: string;
  writtenAt: number;
  leftOut: number;
}

interface Message {
  since: number;
  lines: number;
  /** Beyond the lines of a minute, or left out of subjects that are forgotten. */
  leftOut: number;
}

export interface LimitedLogProps {
  readonly logger: Pick<Logger, 'warn' | 'error' | 'info'>;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
}

type Level = 'error' | 'warn' | 'info';

export class LimitedLog {
  readonly #props: LimitedLogProps;
  /** The subject that was seen last at the end. */
  readonly #subjects = new Map<string, Subject>();
  /** One for each message of the program, which are few. */
  readonly #messages = new Map<string, Message>();

  constructor(props: LimitedLogProps) {
    this.#props = props;
  }

  /** How many subjects are remembered. */
  get size(): number {
    return this.#subjects.size;
  }

  /** `subject` is whom the line is about: a device, an address. `message` is constant, as everywhere. */
  warn(subject: string, fields: object, message: string): void {
    this.#write('warn', subject, fields, message);
  }

  error(subject: string, fields: object, message: string): void {
    this.#write('error', subject, fields, message);
  }

  info(subject: string, fields: object, message: string): void {
    this.#write('info', subject, fields, message);
  }

  #write(level: Level, name: string, fields: object, message: string): void {
    const now = this.#props.monotonic();
    const subject = this.#subjectOf(name, message);
    const all = this.#messageOf(message, now);
    if (now - subject.writtenAt < lineEveryMs) {
      subject.leftOut += 1;
      return;
    }
    if (all.lines >= linesPerMinuteMax) {
      all.leftOut += 1;
      return;
    }
    const { leftOut } = subject;
    const leftOutOfOthers = all.leftOut;
    subject.writtenAt = now;
    subject.leftOut = 0;
    all.lines += 1;
    all.leftOut = 0;
    this.#props.logger[level](
      { ...fields, ...(leftOut > 0 && { leftOut }), ...(leftOutOfOthers > 0 && { leftOutOfOthers }) },
      message,
    );
  }

  #subjectOf(name: string, message: string): Subject {
    const key = `${message}\n${name}`;
    const subject = this.#subjects.get(key) ?? {
      message,
      writtenAt: Number.NEGATIVE_INFINITY,
      leftOut: 0,
    };
    this.#subjects.delete(key);
    this.#subjects.set(key, subject);
    if (this.#subjects.size > SUBJECTS_MAX) this.#forgetOldest();
    return subject;
  }

  #forgetOldest(): void {
    const [[key, { message, leftOut }]] = this.#subjects as unknown as [[string, Subject]];
    this.#subjects.delete(key);
    const all = this.#messages.get(message);
    if (all) all.leftOut += leftOut;
  }

  #messageOf(message: string, now: number): Message {
    const known = this.#messages.get(message);
    const all = known ?? { since: now, lines: 0, leftOut: 0 };
    if (!known) this.#messages.set(message, all);
    if (now - all.since >= lineEveryMs) {
      all.since = now;
      all.lines = 0;
    }
    return all;
  }
}
