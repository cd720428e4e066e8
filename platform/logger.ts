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
  const logger = pino(
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
  const parts: Logger[] = [];
  const makeChild = logger.child;
  // A child keeps the level it was made with: those of the program's parts are remembered. Theirs, one a request, come and go.
  logger.child = function child(this: Logger, ...args: Parameters<typeof makeChild>) {
    const made = makeChild.apply(this, args) as unknown as Logger;
    if (this === logger) parts.push(made);
    return made;
  } as unknown as typeof makeChild;
  partsOf.set(logger, parts);
  return logger;
}

const partsOf = new WeakMap<Logger, readonly Logger[]>();

/** Of a logger that `makeLogger` made and of the loggers of all parts: from the next line on. */
export function setLogLevel(logger: Logger, level: LogLevel): void {
  for (const one of [logger, ...(partsOf.get(logger) ?? [])]) one.level = level;
}
