/**
 * Structured logs (pino): a constant message, data in fields, one child per component. Secrets are removed by name as a
 * second line of defence; the first is that nobody passes them.
 */
import { type Logger, pino } from 'pino';

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

/** JSON lines on standard error, so that standard output stays for what the program was asked for. */
export function makeLogger(component: string, level: LogLevel): Logger {
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
    pino.destination({ fd: 2, sync: false }),
  );
}
