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
import { addPredictionMetrics } from './telemetry/prediction-metrics.ts';
import type { PredictionStore } from './telemetry/prediction-store.ts';
import { WindowRecorder } from './telemetry/recorder.ts';
import { TelemetryUploader } from './telemetry/uploader.ts';

export type Serving = ReturnType<typeof makeServing>;

export function makeServing(
  options: AgentOptions,
  { clock, random, logger, logLost, version }: AgentEnvironment,
  { outbox, predictions }: { readonly outbox: Outbox; readonly predictions: PredictionStore },
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
    send: async (window) => {
      // That a label was taken is on the disk before it is counted, or a crash would let it count twice.
      await predictions.flush({ isDurable: true });
      await uploader.send(window);
    },
  });
  const metrics = new Registry();
  addProcessMetrics(metrics, version);
  if (logLost) addLogMetric(metrics, logLost);
  const triton = new TritonMetrics();
  addPredictionMetrics(metrics, predictions);
  const server = new ModelServer({
    predictions,
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
