/** What answers requests on this device, and what counts them; part of the composition root. */
import { randomBytes } from 'node:crypto';
import { Registry } from 'prom-client';
import { addLogMetric } from '../platform/log-metric.ts';
import { addProcessMetrics } from '../platform/process-metrics.ts';
import type { AgentEnvironment } from './agent-environment.ts';
import type { AgentOptions } from './config/options-schema.ts';
import type { Outbox } from './connection/outbox.ts';
import { fanOutRecorder } from './serving/fan-out-recorder.ts';
import { ModelServer } from './serving/model-server.ts';
import { addServedMetrics, ServingMetrics } from './serving/serving-metrics.ts';
import { TritonMetrics } from './serving/triton-metrics.ts';
import { WindowRecorder } from './telemetry/recorder.ts';
import { TelemetryUploader } from './telemetry/uploader.ts';

export type Serving = ReturnType<typeof makeServing>;

export function makeServing(
  options: AgentOptions,
  { clock, random, logger, logLost, version }: AgentEnvironment,
  { outbox }: { readonly outbox: Outbox },
) {
  const uploader = new TelemetryUploader({
    outbox,
    logger: logger.child({ part: 'telemetry' }),
    stream: randomBytes(8).toString('hex'),
  });
  const telemetry = new WindowRecorder({
    clock,
    random,
    logger: logger.child({ part: 'telemetry' }),
    windowMs: options.windowMs,
    send: (window) => uploader.send(window),
  });
  const metrics = new Registry();
  addProcessMetrics(metrics, version);
  if (logLost) addLogMetric(metrics, logLost);
  const triton = new TritonMetrics();
  const server = new ModelServer({
    recorder: fanOutRecorder([telemetry, new ServingMetrics(metrics), triton]),
    clock,
    random,
    logger: logger.child({ part: 'serving' }),
    threads: options.threads,
    deadlineMs: options.inferDeadlineMs,
    runnerMemoryBytesMax: options.runnerMemoryMax,
  });
  addServedMetrics(metrics, server);
  triton.addPending(server);
  return { telemetry, metrics, tritonMetrics: triton.registry, server };
}
