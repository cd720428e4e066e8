/**
 * Turns what serving observes into windows of counts, one open window a version and rollout, and hands each closed one on.
 * Windows close together every `windowMs`, when a model's version or its rollout changes, and at the end; a served version sends its window
 * even when it is empty, so that an idle device is not taken for a silent one. Recording never fails a request.
 */

import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { LabelledRow } from '../../shared/telemetry/label-figures.ts';
import { type OpenFeatureBlocks, openFeatureBlocks } from '../../shared/telemetry/window-counts.ts';
import type { CountedVersion, Recorder, RequestTime, ServedVersion } from './observation.ts';
import { type ClosedWindow, Window } from './window.ts';

const windowMsDefault = 60_000;

export interface WindowRecorderProps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly windowMs?: number;
  /** Takes one closed window; resolves when it is kept. */
  readonly send: (window: ClosedWindow) => Promise<void>;
}

export class WindowRecorder implements Recorder {
  readonly #props: WindowRecorderProps;
  readonly #log: LimitedLog;
  /** Open windows by `windowKey`. */
  readonly #open = new Map<string, Window>();
  /** Blocks of rows that go on from one window to the next, by the key of the windows. */
  readonly #blocks = new Map<string, OpenFeatureBlocks>();
  /** Version that answers now, by model. */
  readonly #serving = new Map<string, ServedVersion>();
  #sending: Promise<void> = Promise.resolve();

  constructor(props: WindowRecorderProps) {
    this.#props = props;
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => props.clock.monotonic() });
  }

  serving(version: ServedVersion): void {
    const before = this.#serving.get(version.model);
    this.#serving.set(version.model, version);
    if (before !== undefined && windowKey(before) !== windowKey(version)) {
      const window = this.#open.get(windowKey(before));
      this.#open.delete(windowKey(before));
      this.#blocks.delete(windowKey(before));
      if (window) this.#send([window]);
    }
    this.#window(version);
  }

  answered(
    version: ServedVersion,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    { totalMs }: RequestTime,
  ): void {
    try {
      this.#window(version)?.addAnswered(inputs, outputs, totalMs);
    } catch (error) {
      this.#log.warn(
        `${version.model}@${version.version}`,
        {
          model: version.model,
          version: version.version,
          code: isAppError(error) ? error.code : 'internal',
          err: error,
        },
        'a request could not be counted',
      );
    }
  }

  failed(version: ServedVersion, code: string, latencyMs: number): void {
    this.#window(version)?.addFailed(code, latencyMs);
  }

  refused(version: ServedVersion, fitsBefore: boolean): void {
    this.#window(version)?.addRefused(fitsBefore);
  }

  crashed(version: ServedVersion): void {
    this.#window(version)?.addCrash();
  }

  labelled(version: CountedVersion, rows: readonly LabelledRow[]): void {
    this.#openWindow(version)?.addLabels(rows);
  }

  /** Closes windows on time until `signal` is aborted. The first window is cut short by chance, so that a fleet that
   * started together does not send together. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, windowMs = windowMsDefault } = this.#props;
    let waitMs = windowMs * (0.5 + random() / 2);
    while (!signal.aborted) {
      try {
        await clock.sleep(waitMs, signal);
      } catch {
        return;
      }
      waitMs = windowMs;
      await this.flush();
    }
  }

  /** Closes every open window; resolves when the closed ones are kept. Served versions get a new window. */
  async flush(): Promise<void> {
    const closed: Window[] = [];
    for (const [key, window] of this.#open) {
      const serving = this.#serving.get(window.served.model);
      const isCurrent = serving !== undefined && windowKey(serving) === key;
      if (isCurrent || !window.isEmpty) closed.push(window);
      this.#open.delete(key);
    }
    for (const served of this.#serving.values()) this.#window(served);
    this.#send(closed);
    await this.#sending;
  }

  /** The open window of a version that answers; undefined when too many versions are observed at once. */
  #window(served: ServedVersion): Window | undefined {
    const window = this.#openWindow(served);
    if (window && !this.#serving.has(served.model)) this.#serving.set(served.model, served);
    return window;
  }

  #openWindow(version: CountedVersion): Window | undefined {
    const key = windowKey(version);
    let window = this.#open.get(key);
    if (window && !window.served.manifest.profile && version.manifest.profile) {
      // A late label has opened it, and only answers know what else to count.
      this.#open.delete(key);
      this.#send([window]);
      window = undefined;
    }
    if (window === undefined) {
      if (this.#open.size >= limits.windowsOpenMax) {
        this.#log.error('', { open: this.#open.size }, 'too many telemetry windows are open');
        return undefined;
      }
      window = new Window(version, this.#props.clock, this.#openBlocks(version));
      this.#open.set(key, window);
    }
    return window;
  }

  /** Those of the version that answers: what another one still answers is too little to go on. */
  #openBlocks(served: CountedVersion): OpenFeatureBlocks | undefined {
    const serving = this.#serving.get(served.model);
    const { profile } = served.manifest;
    if (!profile || (serving && windowKey(serving) !== windowKey(served))) return undefined;
    const found = this.#blocks.get(windowKey(served)) ?? openFeatureBlocks(profile);
    this.#blocks.set(windowKey(served), found);
    return found;
  }

  #send(windows: readonly Window[]): void {
    const closed = windows.map((window) => window.close(this.#props.clock));
    this.#sending = this.#sending.then(async () => {
      for (const window of closed) {
        try {
          await this.#props.send(window);
        } catch (error) {
          this.#props.logger.error(
            { model: window.model, version: window.version, err: error },
            'a telemetry window was lost',
          );
        }
      }
    });
  }
}

/** What is counted for one offer is not counted for another. */
function windowKey({ manifestSha256, rollout = '', offer = 0 }: CountedVersion): string {
  return `${manifestSha256} ${rollout} ${offer}`;
}
