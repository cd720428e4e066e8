/** Refusals of the local API: `{"error": text, "code": code}` with the status of the code, whoever refuses. */

import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Logger } from '../../platform/logger.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';

export function sendError(reply: FastifyReply, error: unknown, logger: Logger): FastifyReply {
  const known = asAppError(error);
  if (known.code === 'internal') logger.error({ err: error }, 'local API request failed');
  const { status, headers, body } = errorAnswer(known);
  return reply.code(status).headers(headers).type('application/json').send(body);
}

/** A whole HTTP answer, for a connection on which no request could be read; the connection is to be closed after it. */
export function rawAnswer(error: AppError): string {
  const { status, headers, body } = errorAnswer(error);
  const lines = Object.entries({
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`;
}

/** What Node's parser refused: `code` is Node's. */
export function asClientError({ code }: NodeJS.ErrnoException): AppError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError(
        'request_incomplete',
        'Cannot accept the request: it was not complete within the time limit.',
      );
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('headers_too_large', 'Cannot accept the request: its headers exceed 16 KiB.');
    default:
      return new AppError(
        'bad_input',
        `Cannot accept the request: it is not valid HTTP (${code ?? 'unknown'}).`,
      );
  }
}

function errorAnswer(error: AppError) {
  const { message, code, retryAfterMs, details, status } = error;
  const headers: Record<string, string> = {};
  if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterMs / 1_000));
  const allow = details?.['allow'];
  if (typeof allow === 'string') headers['allow'] = allow;
  return { status, headers, body: JSON.stringify({ error: message, code }) };
}

function asAppError(error: unknown): AppError {
  if (isAppError(error)) return error;
  if ((error as NodeJS.ErrnoException | null)?.code === 'ECONNRESET') {
    return new AppError(
      'request_incomplete',
      'Cannot accept the request: the client disconnected while sending it.',
    );
  }
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new AppError('bad_input', 'Cannot accept the request: it is not valid HTTP.');
  }
  return new AppError('internal', 'Cannot answer: the agent has a defect. Its log has the cause.');
}
