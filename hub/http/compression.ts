/**
 * Answers of text above a size are compressed as the caller asks (`Accept-Encoding`), in the threads of zlib. Never an answer with a
 * secret: its length would tell of it (BREACH). When many are being compressed the next ones go out as they are: the CPU is
 * the scarcer thing then.
 */
import {
  type BrotliOptions,
  brotliCompress,
  constants,
  gzip,
  type ZlibOptions,
  type ZstdOptions,
  zstdCompress,
} from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { limits } from '../../shared/base/limits.ts';
import { encodedTag } from './etag.ts';

type Compress = (bytes: Buffer) => Promise<Buffer>;
type Done = (error: Error | null, result: Buffer) => void;

/** In the order of preference among those a caller likes equally. Levels that take about as long as writing the answer. */
const encodings: ReadonlyMap<string, Compress> = new Map([
  ['zstd', withLevel<ZstdOptions>(zstdCompress, { params: { [constants.ZSTD_c_compressionLevel]: 3 } })],
  ['br', withLevel<BrotliOptions>(brotliCompress, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
  ['gzip', withLevel<ZlibOptions>(gzip, { level: 5 })],
]);

/** Must be added after what reads the payload, such as entity tags. */
export function addCompression(app: FastifyInstance): void {
  let underWay = 0;
  app.addHook('onSend', async (request, reply, payload) => {
    if (!isText(reply) || request.routeOptions.config.secret) return payload;
    void reply.header('vary', 'accept-encoding');
    const bytes = bytesOf(payload);
    if (!bytes || !isWorthIt(request, reply, bytes) || underWay >= limits.answersCompressedAtOnceMax) {
      return payload;
    }
    const encoding = preferredEncoding(request.headers['accept-encoding']);
    if (encoding === undefined) return payload;
    underWay += 1;
    try {
      const compressed = await encodings.get(encoding)!(bytes);
      void reply.header('content-encoding', encoding).header('content-length', compressed.byteLength);
      const tag = reply.getHeader('etag');
      if (typeof tag === 'string') void reply.header('etag', encodedTag(tag, encoding));
      return compressed;
    } finally {
      underWay -= 1;
    }
  });
}

/** RFC 9110 §12.5.3; undefined: as it is. */
function preferredEncoding(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const weights = new Map<string, number>();
  for (const part of header.split(',', limits.acceptedEncodingsMax)) {
    const [name, ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    const weight = q === undefined ? 1 : Number(q.slice(2));
    if (name && weight >= 0 && weight <= 1) weights.set(name, weight);
  }
  const weightOf = (name: string) => weights.get(name) ?? weights.get('*') ?? 0;
  let best: string | undefined;
  for (const name of encodings.keys()) {
    if (weightOf(name) > (best === undefined ? 0 : weightOf(best))) best = name;
  }
  const asItIs = weights.get('identity') ?? 0;
  return best !== undefined && weightOf(best) >= asItIs ? best : undefined;
}

function isText(reply: FastifyReply): boolean {
  const type = String(reply.getHeader('content-type') ?? '');
  return /^(application\/([a-z.-]+\+)?json|text\/|application\/(javascript|openmetrics-text))/.test(type);
}

function isWorthIt(request: FastifyRequest, reply: FastifyReply, bytes: Buffer): boolean {
  if (bytes.byteLength < limits.compressedAnswerBytesMin) return false;
  // The length of an answer to HEAD is that of the GET as it is.
  return request.method !== 'HEAD' && reply.getHeader('content-encoding') === undefined;
}

function bytesOf(payload: unknown): Buffer | undefined {
  if (typeof payload === 'string') return Buffer.from(payload);
  return Buffer.isBuffer(payload) ? payload : undefined;
}

function withLevel<O>(compress: (bytes: Buffer, options: O, done: Done) => void, options: O): Compress {
  return (bytes) =>
    new Promise((resolve, reject) => {
      compress(bytes, options, (error, result) => (error ? reject(error) : resolve(result)));
    });
}
