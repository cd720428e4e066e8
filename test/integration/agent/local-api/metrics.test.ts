import { describe, expect, it } from 'vitest';
import { slowModel } from '../../../support/models.ts';
import { checkMetrics, hasPromtool, sampleOf } from '../../../support/promtool.ts';
import { runLocalApi } from '../../../support/running-models.ts';
import { fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const version = { model: 'm', version: '1.0.0' };

async function serveSlow(steps: number) {
  const running = await runLocalApi();
  const slot = await makeServingSlot({
    folder: await tempFolder(),
    onnx: slowModel({ steps }),
    inputs: [fp32Spec('x', [1])],
    outputs: [fp32Spec('y', [1])],
  });
  await running.models.serve(slot, 'cpu', { keepStandby: false });
  const page = async (path: string) => (await fetch(`${running.api.url}${path}`)).text();
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] });
  const ask = () => fetch(`${running.api.url}/v2/models/m/infer`, { method: 'POST', body });
  return { ...running, page, ask };
}

describe('metrics of the local API', () => {
  it.skipIf(!hasPromtool)('pass the checks of promtool', async () => {
    const { page, ask } = await serveSlow(1);
    await ask();
    expect(checkMetrics(await page('/metrics'))).toBe('');
  });

  it('count requests by outcome and their time by stage, in seconds', async () => {
    const { page, ask } = await serveSlow(1);
    await ask();
    await ask();
    const text = await page('/metrics');
    expect(sampleOf(text, 'modelfleet_inference_requests_total', { ...version, outcome: 'answered' })).toBe(
      2,
    );
    expect(sampleOf(text, 'modelfleet_inference_requests_total', { ...version, outcome: 'failed' })).toBe(0);
    expect(sampleOf(text, 'modelfleet_inference_request_seconds_count', version)).toBe(2);
    const stage = (name: string) =>
      sampleOf(text, 'modelfleet_inference_stage_seconds_total', { ...version, stage: name })!;
    expect(stage('infer')).toBeGreaterThan(stage('input'));
    const total = stage('queue') + stage('input') + stage('infer') + stage('output');
    expect(total).toBeCloseTo(sampleOf(text, 'modelfleet_inference_request_seconds_sum', version)!, 6);
  });

  it('show every counter that Triton has, under its name, and the stages add up to the request', async () => {
    const { page, ask } = await serveSlow(1);
    const before = await page('/metrics/triton');
    expect(sampleOf(before, 'nv_inference_request_success', version)).toBe(0);
    await ask();
    const text = await page('/metrics/triton');
    for (const name of ['request_success', 'count', 'exec_count']) {
      expect(sampleOf(text, `nv_inference_${name}`, version), name).toBe(1);
    }
    const us = (name: string) => sampleOf(text, `nv_inference_${name}_duration_us`, version)!;
    const stages = us('queue') + us('compute_input') + us('compute_infer') + us('compute_output');
    // Each of them is rounded to whole microseconds.
    expect(Math.abs(stages - us('request'))).toBeLessThanOrEqual(3);
    expect(us('compute_infer')).toBeGreaterThan(0);
    for (const reason of ['REJECTED', 'BACKEND', 'OTHER']) {
      expect(sampleOf(text, 'nv_inference_request_failure', { ...version, reason })).toBe(0);
    }
  });

  it('show how many requests are under way', async () => {
    const { page, ask, models } = await serveSlow(10);
    const pending = async () => [
      sampleOf(await page('/metrics/triton'), 'nv_inference_pending_request_count', version),
      sampleOf(await page('/metrics'), 'modelfleet_inference_pending_requests', version),
    ];
    expect(await pending()).toEqual([0, 0]);
    const answers = [ask(), ask(), ask()];
    await expect.poll(() => models.list()[0]!.versions[0]!.supervisor.pending).toBe(3);
    expect(await pending()).toEqual([3, 3]);
    await Promise.all(answers);
    expect(await pending()).toEqual([0, 0]);
  }, 30_000);

  it('stop showing a version that is no longer served', async () => {
    const { page, models } = await serveSlow(1);
    const ready = async () =>
      sampleOf(await page('/metrics'), 'modelfleet_model_ready', { ...version, provider: 'cpu' });
    expect(await ready()).toBe(1);
    await models.retire('m');
    expect(await ready()).toBeUndefined();
  });
});
