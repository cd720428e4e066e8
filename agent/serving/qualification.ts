/**
 * Qualification: a version serves only after its golden samples were right on this device, on the very execution
 * provider that will serve. Each provider gets a runner of its own, which must load the interface that the manifest
 * promises and answer with all of it; the first that is right, fast and small enough is taken, and why the ones before it
 * were not is reported.
 */

import type { Logger } from '../../platform/logger.ts';
import type { RunnerProcess } from '../../runner/runner-client.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ErrorCode } from '../../shared/errors/catalogue.ts';
import { compareOutputs, describeMismatch } from '../../shared/inference/compare-outputs.ts';
import { checkTensorBytes } from '../../shared/inference/exact-values.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import { parseGoldenFile } from '../../shared/manifest/golden-file.ts';
import { faultOf } from '../../shared/protocol/update-fault.ts';
import type { Slot } from '../slots/slot.ts';
import { checkAnswerInterface, checkLoadedInterface } from './loaded-interface.ts';
import type { StartRunner } from './runner-supervisor.ts';
import type { Qualification, SampleListener } from './served-model.ts';
import { readArtifact, slotArtifact } from './slot-artifact.ts';
import { type Candidate, variantChain } from './variant-chain.ts';

/** Runs measured at least, so that a version of one sample still gives a median; within a time of their own. */
const RUNS_MIN = 16;
const RUNS_EXTRA_MS_MAX = 2_000;

interface Sample {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface QualificationProps {
  readonly startRunner: StartRunner;
  readonly threads: number;
  /** Memory a runner may take; half of the machine's when absent. */
  readonly memoryBytesMax?: number | undefined;
  /** Memory that is free, bytes. */
  readonly freeMemory: () => Promise<number>;
  readonly onSample?: SampleListener | undefined;
  readonly logger: Logger;
}

/** Tries the version's variants in order. Never throws for what is wrong with the version; that is the fault it gives. */
export async function qualifySlot(slot: Slot, props: QualificationProps): Promise<Qualification> {
  const passedOver: { readonly candidate: Candidate; readonly error: AppError }[] = [];
  try {
    const samples = await readSamples(slot);
    let samplesDone = 0;
    const onSample = async (): Promise<void> => props.onSample?.(++samplesDone);
    for (const candidate of variantChain(slot)) {
      try {
        const figures = await tryCandidate(slot, candidate, samples, { ...props, onSample });
        const reasons = passedOver.map(({ candidate: c, error }) => `${c.provider}: ${error.message}`);
        return { ok: true, provider: candidate.provider, ...figures, passedOver: reasons };
      } catch (error) {
        if (!isAppError(error)) throw error;
        props.logger.info(
          { model: slot.model, version: slot.version, provider: candidate.provider, code: error.code },
          'provider passed over',
        );
        passedOver.push({ candidate, error });
      }
    }
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { ok: false, fault: faultOf(error) };
  }
  // A provider that is not there says less about the version than one that ran it and was wrong.
  const told =
    passedOver.findLast(({ error }) => error.code !== 'provider_unavailable') ?? passedOver.at(-1)!;
  const others = passedOver.filter((tried) => tried !== told);
  const text = others.map(({ candidate, error }) => ` On "${candidate.provider}": ${error.message}`);
  return { ok: false, fault: faultOf(told.error, text.join('')) };
}

async function readSamples(slot: Slot): Promise<readonly Sample[]> {
  const bytes = await readArtifact(slotArtifact(slot, slot.manifest.golden.file), limits.goldenFileBytesMax);
  const golden = parseGoldenFile(bytes);
  return golden.samples.map(({ inputs, outputs }) => ({
    inputs: inputs.map(decode),
    outputs: outputs.map(decode),
  }));
}

function decode({ name, datatype, shape, data }: Omit<Tensor, 'data'> & { readonly data: string }): Tensor {
  const tensor = { name, datatype, shape, data: Buffer.from(data, 'base64') };
  checkTensorBytes(tensor);
  return tensor;
}

/** `onSample` counts by itself, over all candidates. */
type TryProps = Omit<QualificationProps, 'onSample'> & { readonly onSample: () => Promise<void> };

async function tryCandidate(
  slot: Slot,
  { provider, artifact }: Candidate,
  samples: readonly Sample[],
  { startRunner, threads, memoryBytesMax, freeMemory, onSample, logger }: TryProps,
) {
  const options = { ...artifact, provider, threads, ...(memoryBytesMax && { memoryBytesMax }) };
  const runner = await startRunner(options, { logger });
  try {
    checkLoadedInterface(slot.manifest, runner);
    // The first run compiles and allocates; it is no latency a request will see.
    await checkSample(runner, slot, samples[0]!, 0, provider);
    const timesMs: number[] = [];
    const start = performance.now();
    for (let run = 0; run < Math.max(samples.length, RUNS_MIN); run += 1) {
      if (run >= samples.length && performance.now() - start > RUNS_EXTRA_MS_MAX) break;
      const index = run % samples.length;
      timesMs.push(await checkSample(runner, slot, samples[index]!, index, provider));
      if (run < samples.length) await onSample();
    }
    timesMs.sort((a, b) => a - b);
    const { residentBytes, peakBytes } = await runner.memory();
    checkObjectives(slot, timesMs, peakBytes, provider);
    // What this runner holds is free again for the one that will serve.
    checkFreeMemory(slot, peakBytes, (await freeMemory()) + residentBytes);
    return {
      samples: samples.length,
      latencyP50Ms: timesMs[Math.floor((timesMs.length - 1) / 2)]!,
      latencyMaxMs: timesMs.at(-1)!,
      residentBytes,
      peakBytes,
    };
  } finally {
    await runner.close();
  }
}

/**
 * Runs one golden sample, asking for all that the interface promises, and gives its milliseconds. Throws
 * `interface_not_met`, or `golden_mismatch_on_device` when an answer is wrong.
 */
async function checkSample(
  runner: Pick<RunnerProcess, 'infer'>,
  slot: Slot,
  sample: Sample,
  index: number,
  provider: string,
): Promise<number> {
  const names = [...slot.manifest.interface.outputs, ...sample.outputs].map((output) => output.name);
  const { outputs, stages } = await runner.infer(sample.inputs, {
    outputs: [...new Set(names)],
    deadlineMs: limits.inferDeadlineMsDefault,
  });
  checkAnswerInterface(slot.manifest, outputs);
  const { tolerances } = slot.manifest.golden;
  const mismatch = compareOutputs({ got: outputs, want: sample.outputs, tolerances });
  if (!mismatch) return stages.inferMs;
  throw new AppError(
    'golden_mismatch_on_device',
    `Cannot serve ${slot.model} ${slot.version} on "${provider}": golden sample ${index}, ${describeMismatch(mismatch)}.`,
    { details: { ...mismatch } },
  );
}

function checkObjectives(slot: Slot, sortedMs: readonly number[], peakBytes: number, provider: string): void {
  const { latencyP95Ms, memoryBytesMax } = slot.manifest.objectives ?? {};
  const p95Ms = sortedMs[Math.ceil(sortedMs.length * 0.95) - 1]!;
  const refuse = (code: ErrorCode, why: string): never => {
    throw new AppError(code, `Cannot serve ${slot.model} ${slot.version} on "${provider}": ${why}.`);
  };
  if (latencyP95Ms !== undefined && p95Ms > latencyP95Ms) {
    refuse(
      'too_slow_on_device',
      `the 95th percentile of its golden runs was ${p95Ms.toFixed(2)} ms, but its objective is ${latencyP95Ms} ms`,
    );
  }
  if (memoryBytesMax !== undefined && peakBytes > memoryBytesMax) {
    refuse(
      'objective_missed_on_device',
      `its runner used up to ${formatBytes(peakBytes)}, but its objective is at most ${formatBytes(memoryBytesMax)}`,
    );
  }
}

function checkFreeMemory({ model, version }: Slot, peakBytes: number, freeBytes: number): void {
  if (freeBytes >= peakBytes + limits.freeMemoryMarginBytes) return;
  throw new AppError(
    'memory_short_on_device',
    `Cannot serve ${model} ${version}: its runner used up to ${formatBytes(peakBytes)}, but only ${formatBytes(freeBytes)} is free, of which ${formatBytes(limits.freeMemoryMarginBytes)} must stay free.`,
  );
}
