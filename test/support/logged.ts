/** A logger that keeps its lines. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Logger } from '../../platform/logger.ts';

export interface LoggedLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export function loggedLines(): { readonly logger: Logger; readonly lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(String(chunk)) as LoggedLine);
      done();
    },
  });
  return { logger: pino({ level: 'info' }, stream), lines };
}
