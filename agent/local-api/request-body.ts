/**
 * Reads the body of a request: counted as it comes, inflated where it is compressed, never more of it held than allowed.
 * A body of a declared length is read into its place; nothing is copied together at the end.
 */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import type { Ticket } from './admission.ts';

export interface BodyProps {
  readonly bytesMax: number;
  readonly ticket: Ticket;
}

const decoders = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate } as const;

/** Throws `encoding_unsupported`, `too_large` or `overloaded` for what the head of the request tells already. */
export function checkBodyHead({ headers }: IncomingMessage, { bytesMax, ticket }: BodyProps): void {
  const encoding = encodingOf(headers['content-encoding']);
  const declared = Number(headers['content-length'] ?? 0);
  if (declared > bytesMax) throw tooLarge(bytesMax);
  if (encoding === undefined) ticket.take(declared);
}

/** The whole body. Throws `too_large`, `overloaded`, or `bad_input` for bytes that are not of their encoding. */
export async function readBody(request: IncomingMessage, props: BodyProps): Promise<Uint8Array> {
  const encoding = encodingOf(request.headers['content-encoding']);
  if (encoding === undefined) {
    const declared = request.headers['content-length'];
    return declared === undefined ? collect(request, props) : readDeclared(request, Number(declared));
  }
  const inflated = decoders[encoding]();
  request.on('error', (error) => inflated.destroy(error)).pipe(inflated);
  try {
    return await collect(inflated, props);
  } catch (cause) {
    if (isAppError(cause)) throw cause;
    throw new AppError('bad_input', `Cannot read the request: its body is not valid ${encoding}.`, { cause });
  } finally {
    request.unpipe(inflated);
    request.resume();
    inflated.destroy();
  }
}

/** The body a route was given; none counts as an empty one. */
export function bodyBytes(body: unknown): Uint8Array {
  return body instanceof Uint8Array ? body : new Uint8Array();
}

/**
 * Node's parser sees to it that exactly so many bytes come, or an error. By events, because an iterator costs a small
 * request as much as reading its JSON does; a small body comes from Buffer's pool, because a buffer of its own is work for
 * the garbage collector.
 */
function readDeclared(request: Readable, length: number): Promise<Uint8Array> {
  const body = Buffer.allocUnsafe(length);
  let at = 0;
  return new Promise((resolve, reject) => {
    request
      .on('data', (chunk: Buffer) => {
        at += chunk.copy(body, at);
      })
      .once('end', () => resolve(body))
      .on('error', reject)
      .once('close', () =>
        reject(new AppError('bad_input', 'Cannot read the request: its body ended early.')),
      );
  });
}

async function collect(stream: Readable, { bytesMax, ticket }: BodyProps): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > bytesMax) throw tooLarge(bytesMax);
    ticket.take(chunk.byteLength);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function encodingOf(header: string | undefined): keyof typeof decoders | undefined {
  const encoding = header?.trim().toLowerCase();
  if (encoding === undefined || encoding === '' || encoding === 'identity') return undefined;
  if (Object.hasOwn(decoders, encoding)) return encoding as keyof typeof decoders;
  throw new AppError(
    'encoding_unsupported',
    `Cannot read the request: its Content-Encoding is ${excerpt(header)}, expected gzip, deflate or no encoding.`,
  );
}

function tooLarge(bytesMax: number): AppError {
  return new AppError('too_large', `Cannot accept the request: its body exceeds ${bytesMax} bytes.`);
}
