import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProgressLine } from '../../../cli/progress.ts';

const MB = 1024 * 1024;

function progress({ isTerminal = false, isQuiet = false } = {}) {
  let written = '';
  const clock = { monotonic: () => Date.now() };
  const line = new ProgressLine({ err: (text) => (written += text), isTerminal, isQuiet, clock });
  return { line, written: () => written };
}

/** A second passes and one more of 20 MB is sent, again and again. */
function upload({ line }: { line: ProgressLine }): void {
  line.bytes('Uploading', 0, 20 * MB);
  for (let second = 1; second <= 20; second += 1) {
    vi.advanceTimersByTime(1_000);
    line.bytes('Uploading', second * MB, 20 * MB);
  }
  line.end();
}

describe('progress', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is a line of bytes, share and rate every five seconds in a pipe', () => {
    const shown = progress();
    upload(shown);
    const lines = shown.written().split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(/^Uploading: 5\S* MiB of 20\S* MiB \(25 %\), 1\S* MiB\/s$/);
    expect(shown.written()).not.toContain('\r');
  });

  it('is one line on a terminal, written over, and removed at the end', () => {
    const shown = progress({ isTerminal: true });
    upload(shown);
    expect(shown.written()).not.toContain('\n');
    const lines = shown.written().split('\r\u001b[K');
    expect(lines).toHaveLength(22);
    expect(lines.at(-2)).toContain('(100 %)');
    expect(lines.at(-1)).toBe('');
  });

  it('names a step that takes long and how long it took so far, until the next begins', () => {
    const shown = progress();
    shown.line.step('Running the models');
    vi.advanceTimersByTime(11_000);
    shown.line.step('Writing');
    vi.advanceTimersByTime(3_000);
    shown.line.end();
    vi.advanceTimersByTime(60_000);
    expect(shown.written()).toBe('Running the models, 5s\nRunning the models, 10s\n');
  });

  it.each([true, false])('shows nothing with --quiet (terminal: %s)', (isTerminal) => {
    const shown = progress({ isTerminal, isQuiet: true });
    upload(shown);
    shown.line.step('Running the models');
    vi.advanceTimersByTime(60_000);
    shown.line.end();
    expect(shown.written()).toBe('');
  });
});
