/**
 * Structured logs (pino): a constant message, data in fields, one child per component. Secrets are removed by name as a
 * second line of defence; the first is that nobody passes them.
 */
import { type Logger, pino } from 'pino';
import { LogStream } from './log-stream.ts';

export type { Logger } from 'pino';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof logLevels)[number];

const secretFields = [
  'secret',
  'token',
  'authorization',
  'password',
  'passphrase',
  'privateKey',
  'key',
  'csr',
];

/** A stream for `makeLogger` that says itself, as a log line of `component`, what it lost. */
export function makeLogStream(component: string): LogStream {
  return new LogStream((lost) => {
    const time = new Date().toISOString();
    const line = { level: 40, time, component, lost, msg: 'log lines were lost: nobody took them' };
    return `${JSON.stringify(line)}\n`;
  });
}

/** JSON lines on standard error, so that standard output stays for what the program was asked for. */
export function makeLogger(
  component: string,
  level: LogLevel,
  stream: LogStream = makeLogStream(component),
): Logger {
  return pino(
    {
      level,
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: secretFields.flatMap((name) => [name, `*.${name}`, `headers.${name}`]),
        censor: '[hidden]',
      },
    },
    stream,
  );
}
