/** A model server and its local API on a free port, closed after the test. */
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { openLocalApi } from '../../agent/local-api/local-api.ts';
import { fanOutRecorder } from '../../agent/serving/fan-out-recorder.ts';
import { ModelServer, type ModelServerProps } from '../../agent/serving/model-server.ts';
import { addServedMetrics, ServingMetrics } from '../../agent/serving/serving-metrics.ts';
import { TritonMetrics } from '../../agent/serving/triton-metrics.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { makeRecording } from './recording.ts';

const logger = makeLogger('test', 'silent');

export function runModels(props: Partial<ModelServerProps> = {}) {
  const recording = makeRecording();
  const metrics = new Registry();
  const triton = new TritonMetrics();
  const models = new ModelServer({
    recorder: fanOutRecorder([recording, new ServingMetrics(metrics), triton]),
    clock: systemClock,
    random: () => 0.5,
    logger,
    ...props,
  });
  addServedMetrics(metrics, models);
  triton.addPending(models);
  onTestFinished(() => models.close());
  return { models, recording, metrics, tritonMetrics: triton.registry };
}

export async function runLocalApi(props: Partial<ModelServerProps> = {}) {
  const running = runModels(props);
  const api = await openLocalApi({ ...running, clock: systemClock, port: 0, version: '0.0.0', logger });
  onTestFinished(() => api.close());
  return { ...running, api };
}
