/** Answers on a connection on which no request could be read: what Node's parser or its clock refused, in the form of every other refusal. */
import { randomUUID } from 'node:crypto';
import { maxHeaderSize, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { problemOf } from '../../shared/api/problem.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { REQUEST_ID } from './request-id.ts';
import { securityHeaders } from './security-headers.ts';

/**
 * Fastify client error handler. The connection ends with the answer: nobody knows where its next request would begin. Where there is
 * no HTTP to answer in (a failed TLS handshake, plain text on the TLS port, a client that has gone) it is closed.
 */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  const { _httpMessage: answer } = socket as Socket & { readonly _httpMessage?: ServerResponse | null };
  const isHttp = /^(HPE_|ERR_HTTP_)/.test(error.code ?? '');
  if (isHttp && socket.writable && !answer?.headersSent) socket.end(rawAnswer(refusalOf(error)));
  else socket.destroy();
}

function refusalOf({ code }: NodeJS.ErrnoException): AppError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError(
        'request_incomplete',
        'Cannot read the request: it was not complete within the time limit.',
      );
    case 'HPE_HEADER_OVERFLOW':
      return new AppError(
        'headers_too_large',
        `Cannot read the request: its request line and headers exceed the limit of ${maxHeaderSize} bytes.`,
      );
    default:
      return new AppError(
        'bad_input',
        `Cannot read the request: it is not valid HTTP/1.1 (${code ?? 'unknown'}).`,
      );
  }
}

function rawAnswer(error: AppError): string {
  const requestId = randomUUID();
  const problem = problemOf(error, requestId);
  const body = JSON.stringify(problem);
  const headers = {
    ...securityHeaders,
    [REQUEST_ID]: requestId,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`;
}
