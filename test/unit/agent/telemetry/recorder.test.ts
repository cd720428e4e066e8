import { describe, expect, it } from 'vitest';
import type { ServedVersion } from '../../../../agent/telemetry/observation.ts';
import { WindowRecorder } from '../../../../agent/telemetry/recorder.ts';
import { TelemetryUploader } from '../../../../agent/telemetry/uploader.ts';
import type { ClosedWindow } from '../../../../agent/telemetry/window.ts';
import { inflated } from '../../../../platform/deflated.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import type { Clock } from '../../../../shared/base/clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import type { Tensor } from '../../../../shared/inference/tensor.ts';
import {
  decodeTelemetryReport,
  encodeTelemetryReport,
} from '../../../../shared/protocol/telemetry-report.ts';
import { sumsByLength } from '../../../../shared/sketch/block-sums.ts';
import { LatencySketch } from '../../../../shared/sketch/latency-sketch.ts';
import { publishedVersion, uniformProfile } from '../../../support/profiles.ts';
import { took } from '../../../support/took.ts';

const logger = makeLogger('test', 'silent');

/** A clock that stands still; sleepers are woken by the test. */
class HandClock implements Clock {
  time = 1_000_000;
  readonly sleeps: { ms: number; wake: () => void }[] = [];
  now = () => this.time;
  monotonic = () => this.time;
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.sleeps.push({ ms, wake: resolve });
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
  }
}

function served(version = '1.0.0', label?: 'regression' | 'classification'): ServedVersion {
  const { model, manifestSha256, manifest } = publishedVersion({
    version,
    profile: uniformProfile(2),
    ...(label ? { label: { output: 'y', kind: label } } : {}),
  });
  return { model, version, manifestSha256, manifest };
}

function rows(...values: number[]): Tensor {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { name: 'x', datatype: 'FP32', shape: [values.length / 2, 2], data };
}

function world() {
  const clock = new HandClock();
  const sent: ClosedWindow[] = [];
  const recorder = new WindowRecorder({
    clock,
    logger,
    random: () => 0.5,
    send: async (window) => void sent.push(window),
  });
  return { clock, sent, recorder };
}

describe('telemetry recorder', () => {
  it('closes one window a version with counts, failures, crashes and latency', async () => {
    const { clock, sent, recorder } = world();
    recorder.answered(served(), [rows(0.05, 0.95, 0.05, -1)], [], took(4));
    recorder.answered(served(), [rows(0.15, Number.NaN)], [], took(8));
    recorder.failed(served(), 'internal', 1);
    recorder.crashed(served());
    clock.time += 60_000;
    await recorder.flush();
    expect(sent).toHaveLength(1);
    const [window] = sent;
    expect(window).toMatchObject({
      model: 'air',
      version: '1.0.0',
      from: 1_000_000,
      to: 1_060_000,
      requests: { ok: 2, failed: { internal: 1 } },
      crashes: 1,
    });
    expect(window!.features).toMatchObject([
      { name: 'f0', counts: [0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], missing: 0 },
      { name: 'f1', counts: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], missing: 1 },
    ]);
    const latency = new LatencySketch();
    latency.merge(window!.latency!);
    expect(latency.count).toBe(3);
  });

  it('cuts the window when the rollout changes that the version is here for', async () => {
    const { clock, sent, recorder } = world();
    const [before, now] = ['r1', 'r2'].map((rollout) => ({ ...served(), rollout }));
    recorder.serving(before!);
    recorder.answered(before!, [rows(0.05, 0.95)], [], took(4));
    clock.time += 10_000;
    recorder.serving(now!);
    recorder.answered(now!, [rows(0.05, 0.95)], [], took(4));
    // Began before the cut: it is counted for what it began under.
    recorder.answered(before!, [rows(0.05, 0.95)], [], took(4));
    clock.time += 5_000;
    await recorder.flush();
    const spans = sent.map(({ rollout, from, to, requests }) => [rollout, to - from, requests.ok]);
    expect(spans).toEqual([
      ['r1', 10_000, 1],
      ['r2', 5_000, 1],
      ['r1', 5_000, 1],
    ]);
    await recorder.flush();
    expect(sent.slice(3).map(({ rollout }) => rollout)).toEqual(['r2']);
  });

  it('measures a window by the monotonic clock: one that is set changes nothing', async () => {
    const { clock, sent, recorder } = world();
    let elapsed = 0;
    clock.monotonic = () => elapsed;
    recorder.serving(served());
    elapsed += 60_000;
    clock.time -= 3_600_000;
    await recorder.flush();
    elapsed += 60_000;
    clock.time += 365 * 86_400_000;
    await recorder.flush();
    expect(sent.map(({ from, to }) => to - from)).toEqual([60_000, 60_000]);
  });

  it('counts requests refused for their tensors apart, and those that the version before takes', async () => {
    const { sent, recorder } = world();
    recorder.refused(served(), true);
    recorder.refused(served(), false);
    await recorder.flush();
    expect(sent[0]!.requests).toEqual({ ok: 0, failed: {}, refused: { all: 2, fitBefore: 1 } });
    expect(sent[0]!.latency).toBeUndefined();
  });

  it('sends an empty window of the version that serves, and none of one that no longer does', async () => {
    const { sent, recorder } = world();
    recorder.serving(served('1.0.0'));
    await recorder.flush();
    await recorder.flush();
    expect(sent.map((w) => [w.version, w.requests.ok])).toEqual([
      ['1.0.0', 0],
      ['1.0.0', 0],
    ]);
    recorder.serving(served('2.0.0'));
    await recorder.flush();
    await recorder.flush();
    expect(sent.slice(2).map((w) => w.version)).toEqual(['1.0.0', '2.0.0', '2.0.0']);
  });

  it('counts late answers of the version before in a window of its own', async () => {
    const { sent, recorder } = world();
    recorder.serving(served('1.0.0'));
    recorder.serving(served('2.0.0'));
    recorder.answered(served('1.0.0'), [rows(0.5, 0.5)], [], took(1));
    recorder.answered(served('2.0.0'), [rows(0.5, 0.5)], [], took(1));
    await recorder.flush();
    expect(
      sent
        .slice(1)
        .map((w) => [w.version, w.requests.ok])
        .sort(),
    ).toEqual([
      ['1.0.0', 1],
      ['2.0.0', 1],
    ]);
  });

  it('turns labels into figures of the kind the version declares', async () => {
    const { sent, recorder } = world();
    recorder.labelled(served('1.0.0', 'regression'), [{ predicted: 3, actual: 5 }]);
    recorder.labelled(served('1.0.0', 'regression'), [{ predicted: 3, actual: Number.NaN }]);
    recorder.labelled(served('2.0.0', 'classification'), [
      { predicted: 'cat', actual: 'cat' },
      { predicted: 1, actual: 2 },
    ]);
    await recorder.flush();
    expect(sent.map((w) => w.labels)).toEqual([
      {
        kind: 'regression',
        n: 1,
        answers: 1,
        absoluteError: 2,
        squaredError: 4,
        signedError: { n: 1, sum: -2 },
      },
      { kind: 'classification', n: 2, answers: 1, correct: 1 },
    ]);
  });

  it('counts a late label for the version and the offer that answered, whichever answers now', async () => {
    const { sent, recorder } = world();
    const before = { ...served('1.0.0', 'regression'), rollout: 'r-00000001', offer: 2 };
    recorder.serving(served('2.0.0', 'regression'));
    const { label, interface: face } = before.manifest;
    recorder.labelled({ ...before, manifest: { label, interface: face } }, [{ predicted: 3, actual: 5 }]);
    await recorder.flush();
    expect(
      sent.map(({ version, rollout, offer, requests, labels }) => [
        version,
        rollout,
        offer,
        requests.ok,
        labels?.n,
      ]),
    ).toEqual([
      ['2.0.0', undefined, undefined, 0, undefined],
      ['1.0.0', 'r-00000001', 2, 0, 1],
    ]);
    // It answers no requests, so no window of it follows.
    await recorder.flush();
    expect(sent.at(-1)!.version).toBe('2.0.0');
    expect(sent).toHaveLength(3);
  });

  it('counts features of a version that answers again after a late label', async () => {
    const { sent, recorder } = world();
    const version = served('1.0.0', 'regression');
    recorder.serving(served('2.0.0', 'regression'));
    const { label, interface: face } = version.manifest;
    recorder.labelled({ ...version, manifest: { label, interface: face } }, [{ predicted: 3, actual: 5 }]);
    recorder.serving(version);
    recorder.answered(version, [rows(0.05, 0.95)], [], took(4));
    await recorder.flush();
    const windows = sent.filter((window) => window.version === '1.0.0');
    expect(windows.map(({ labels, features }) => [labels?.n, features.length])).toEqual([
      [1, 0],
      [undefined, version.manifest.profile!.features.length],
    ]);
  });

  it('goes on when a tensor cannot be counted or a window cannot be kept', async () => {
    const clock = new HandClock();
    let calls = 0;
    const recorder = new WindowRecorder({
      clock,
      logger,
      random: () => 0,
      send: async () => {
        calls += 1;
        throw new Error('disk full');
      },
    });
    recorder.answered(served(), [{ ...rows(1, 1), shape: [100, 2] }], [], took(1));
    await recorder.flush();
    recorder.answered(served(), [rows(1, 1)], [], took(1));
    await recorder.flush();
    expect(calls).toBe(2);
  });

  it('closes windows on time, the first cut short by chance, and ends when told', async () => {
    const { clock, sent, recorder } = world();
    recorder.serving(served());
    const end = new AbortController();
    const running = recorder.run(end.signal);
    expect(clock.sleeps[0]!.ms).toBe(45_000);
    clock.sleeps[0]!.wake();
    await expect.poll(() => clock.sleeps.length).toBe(2);
    expect(clock.sleeps[1]!.ms).toBe(60_000);
    expect(sent).toHaveLength(1);
    end.abort();
    await running;
  });

  it('opens a bounded number of windows', async () => {
    const { sent, recorder } = world();
    for (let i = 0; i < limits.windowsOpenMax + 5; i += 1) recorder.crashed(served(`1.0.${i}`));
    await recorder.flush();
    expect(sent).toHaveLength(limits.windowsOpenMax);
  });
});

describe('what leaves the device (promise P7)', () => {
  it('holds no raw value of any request, whatever the values', async () => {
    const { sent, recorder } = world();
    const raw = [1234.5678, -9.87654321e20, 3.3333333, 0.123456789];
    recorder.answered(served(), [rows(raw[0]!, raw[1]!)], [rows(raw[2]!, raw[3]!)], took(7));
    recorder.failed(served(), 'reading was 1234.5678 in street 5', 7);
    await recorder.flush();
    const payload = Buffer.from(
      encodeTelemetryReport({ v: 1, stream: '00000000000000aa', number: 1, dropped: 0, ...sent[0]! }),
    );
    for (const value of raw) {
      for (const bytes of encodings(value)) expect(payload.includes(bytes)).toBe(false);
    }
    expect(payload.includes('street')).toBe(false);
    expect(sent[0]!.requests.failed).toEqual({ internal: 1 });
    // Sums of few rows would be the rows.
    expect(sent[0]!.features.every((feature) => feature.moments === undefined)).toBe(true);
  });

  it('sends sums only when enough rows hide in them', async () => {
    const { sent, recorder } = world();
    for (let i = 0; i < limits.momentRowsMin; i += 1) {
      recorder.answered(served(), [rows(0.5 + i / 1_000, Number.NaN)], [], took(1));
    }
    await recorder.flush();
    expect(sent[0]!.features[0]!.moments).toMatchObject({ n: limits.momentRowsMin });
    expect(sent[0]!.features[1]!.moments).toBeUndefined();
  });
});

describe('blocks of consecutive rows', () => {
  const blocksOf = ({ features: [first] }: ClosedWindow) => sumsByLength(first!.blocks ?? []);

  it('go on from one window to the next', async () => {
    const { sent, recorder } = world();
    for (let request = 0; request < 20; request += 1) {
      recorder.answered(served(), [rows(0.5, 0.5)], [], took(1));
      if (request === 11) await recorder.flush();
    }
    await recorder.flush();
    // Each row but the first follows one, and so does the second block of eight.
    expect(sent.map(blocksOf).map((sums) => sums.map(({ rows: n, blocks }) => [n, blocks]))).toEqual([
      [[1, 11]],
      [
        [1, 8],
        [8, 1],
      ],
    ]);
  });

  it('begin anew with another version', async () => {
    const { sent, recorder } = world();
    for (const version of ['1.0.0', '2.0.0', '1.0.0']) {
      recorder.serving(served(version));
      for (let i = 0; i < 3; i += 1) recorder.answered(served(version), [rows(0.5, 0.5)], [], took(1));
    }
    await recorder.flush();
    expect(sent.map((window) => blocksOf(window).map(({ blocks }) => blocks))).toEqual([[2], [2], [2]]);
  });
});

describe('telemetry uploader', () => {
  const window: ClosedWindow = {
    from: 0,
    to: 1,
    model: 'air',
    version: '1.0.0',
    manifest: 'a'.repeat(64),
    requests: { ok: 0, failed: {} },
    crashes: 0,
    features: [],
  };

  it('numbers reports of its stream and tells of windows that were lost', async () => {
    const payloads: Uint8Array[] = [];
    let full = false;
    const dropped = { telemetry: 3 };
    const uploader = new TelemetryUploader({
      logger,
      stream: '0123456789abcdef',
      outbox: {
        dropped,
        enqueue: async (_, payload) => {
          if (full) throw new Error('disk full');
          payloads.push(payload);
        },
      },
    });
    await uploader.send(window);
    full = true;
    await expect(uploader.send(window)).rejects.toThrow('disk full');
    full = false;
    await uploader.send(window);
    await uploader.send(window);
    expect(payloads.map(read).map((r) => [r.stream, r.number, r.dropped])).toEqual([
      ['0123456789abcdef', 1, 3],
      ['0123456789abcdef', 3, 1],
      ['0123456789abcdef', 4, 0],
    ]);
  });

  it('leaves features out rather than a window when a report is too large', async () => {
    const payloads: Uint8Array[] = [];
    const uploader = new TelemetryUploader({
      logger,
      stream: '0123456789abcdef',
      outbox: { dropped: { telemetry: 0 }, enqueue: async (_, payload) => void payloads.push(payload) },
    });
    const counts = new Array<number>(258).fill(2 ** 31);
    const features = Array.from({ length: 256 }, (_, i) => ({ name: `f${i}`, counts, missing: 0 }));
    await uploader.send({ ...window, requests: { ok: 5, failed: {} }, features });
    expect(read(payloads[0]!)).toMatchObject({ requests: { ok: 5 }, features: [] });
  });
});

const read = (payload: Uint8Array) =>
  decodeTelemetryReport(inflated(payload, 'report', limits.telemetryReportBytesMax));

/** The ways a number could be written into a message. */
function encodings(value: number): Buffer[] {
  const single = Buffer.alloc(4);
  single.writeFloatLE(value);
  const double = Buffer.alloc(8);
  double.writeDoubleLE(value);
  const rounded = Buffer.alloc(8);
  rounded.writeDoubleLE(Math.fround(value));
  const all = [single, double, rounded];
  return [...all, ...all.map((bytes) => Buffer.from(bytes).reverse()), Buffer.from(String(value))];
}
