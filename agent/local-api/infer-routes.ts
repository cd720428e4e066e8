/** The way of an inference request through the local API: let in by its head, read, run, answered. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import { limits } from '../../shared/base/limits.ts';
import { batchSize, isBatched } from '../serving/batching.ts';
import type { InferenceStatistics } from '../serving/inference-statistics.ts';
import type { InferenceAnswer, ModelServer } from '../serving/model-server.ts';
import type { AdmissionQueue } from './admission-queue.ts';
import { classify } from './classification.ts';
import { renderAnswer } from './infer-answer.ts';
import { type InferMessage, readInferMessage } from './infer-message.ts';
import { type ModelParams, type ModelRoute, modelPaths } from './model-params.ts';
import { rawMessage } from './raw-message.ts';
import { bodyBytes } from './request-body.ts';
import { runInSlices } from './run-in-slices.ts';

export interface InferRoutesProps {
  readonly models: ModelServer;
  readonly statistics: InferenceStatistics;
  readonly queue: AdmissionQueue;
  readonly clock: Clock;
}

type InferRequest = FastifyRequest<ModelRoute>;

const HEADER_LENGTH = 'inference-header-content-length';

export function addInferRoutes(app: FastifyInstance, props: InferRoutesProps): void {
  const refuseInVain = async (request: FastifyRequest) => {
    const { model, version } = request.params as ModelParams;
    const live = props.models.find(model, version);
    const waitedMs = props.queue.waitedInVainMs(request.raw);
    if (waitedMs === undefined) return;
    live.countTurnedAway(waitedMs);
    // Whoever asks again at once costs as much as an answer: the refusal is held back for a moment.
    await props.clock.sleep(limits.refusalHeldMs);
    throw new AppError(
      'overloaded',
      `Cannot accept the request: too many requests are waiting for "${model}".`,
      {
        retryAfterMs: 1_000,
      },
    );
  };
  const options = {
    onRequest: refuseInVain,
    preHandler: async (request: FastifyRequest, reply: FastifyReply) => {
      await props.queue.takePlaceAgain(request.raw, reply.raw);
      await refuseInVain(request);
    },
    config: { bodyBytesMax: limits.inferBodyBytesMax },
  };
  for (const path of modelPaths('/infer')) {
    app.post<ModelRoute>(path, options, (request, reply) => infer(request, reply, props));
  }
}

async function infer(
  request: InferRequest,
  reply: FastifyReply,
  props: InferRoutesProps,
): Promise<FastifyReply> {
  const { models, statistics } = props;
  const { model, version } = request.params;
  const body = bodyBytes(request.body);
  const jsonBytes = jsonBytesOf(request);
  const live = models.find(model, version);
  const message =
    jsonBytes === 0
      ? models.readBy({ model, version }, (signature) => rawMessage(body, signature))
      : await runInSlices(readInferMessage(body, jsonBytes)).catch((error: unknown) => {
          // Tensors that contradict themselves fit no version.
          if (isAppError(error, 'tensor_invalid')) live.countRefused(false);
          throw error;
        });
  const startedMs = performance.now();
  const answer = await models
    .infer({ model, version, ...message, signal: endOf(reply, message) })
    .catch((error: unknown) => {
      statistics.failed(live.served, performance.now() - startedMs);
      throw error;
    });
  statistics.answered(answer.served, batchSize(message.inputs), performance.now() - startedMs, answer.stages);
  return sendAnswer(reply, answer, message);
}

/** Length of the JSON before raw tensors; 0 when the body is one raw tensor, undefined when it is JSON alone. */
function jsonBytesOf({ headers }: InferRequest): number | undefined {
  const written = headers[HEADER_LENGTH];
  if (written === undefined) return undefined;
  if (typeof written === 'string' && /^\d+$/.test(written)) return Number(written);
  throw new AppError(
    'bad_input',
    `Cannot read the inference request: its Inference-Header-Content-Length is ${excerpt(written)}, expected decimal digits only.`,
  );
}

/** Aborted when the request's own time has passed, or its client is gone. */
function endOf(reply: FastifyReply, { timeoutMs }: InferMessage): AbortSignal {
  const ended = new AbortController();
  const abort = (why: string) => ended.abort(new AppError('request_timeout', `Cannot answer: ${why}.`));
  const timer =
    timeoutMs !== undefined && timeoutMs < 2 ** 31
      ? setTimeout(() => abort(`the time limit of the request, ${timeoutMs} ms, has passed`), timeoutMs)
      : undefined;
  reply.raw.once('close', () => {
    clearTimeout(timer);
    if (!reply.raw.writableFinished) abort('the client has closed its connection');
  });
  return ended.signal;
}

function sendAnswer(
  reply: FastifyReply,
  answer: InferenceAnswer,
  { requestedOutput }: InferMessage,
): FastifyReply {
  const { interface: signature } = answer.served.manifest;
  const { classes } = signature;
  const outputs = answer.outputs.map((output) => {
    const { classes: count } = requestedOutput(output.name);
    return count === 0 ? output : classify(output, { count, isBatched: isBatched(signature), classes });
  });
  reply.request.ticket.take(outputs.reduce((sum, { data }) => sum + data.byteLength, 0));
  const { body, jsonBytes } = renderAnswer({ ...answer, outputs }, (name) => requestedOutput(name).isBinary);
  const type = jsonBytes === undefined ? 'application/json' : 'application/octet-stream';
  if (jsonBytes !== undefined) void reply.header(HEADER_LENGTH, jsonBytes);
  const isWhole = typeof body === 'string' || Buffer.isBuffer(body);
  return reply.type(type).send(isWhole ? body : Readable.from(body, { objectMode: false }));
}
