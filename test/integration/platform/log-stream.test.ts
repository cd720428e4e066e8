import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LogStream } from '../../../platform/log-stream.ts';
import { limits } from '../../../shared/base/limits.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const lossLine = (lost: number) => `lost ${lost}\n`;

function opened(path: string, flags: number): number {
  const fd = openSync(path, flags);
  onTestFinished(() => closeSync(fd));
  return fd;
}

/** A pipe with nobody at its other end but this process. */
async function pipe() {
  const path = join(await tempFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = opened(path, constants.O_RDWR | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(1024 * 1024);
  const read = () => {
    try {
      return buffer.toString('utf8', 0, readSync(fd, buffer));
    } catch {
      return '';
    }
  };
  // As a shell hands it on: a write that is not taken waits.
  return { fd: opened(path, constants.O_RDWR), read };
}

describe('a log stream', () => {
  it('writes each line once and in order', async () => {
    const path = join(await tempFolder(), 'log');
    writeFileSync(path, '');
    const stream = new LogStream(lossLine, opened(path, constants.O_WRONLY | constants.O_APPEND));
    const lines = Array.from({ length: 5_000 }, (_, i) => `line ${i}\n`);
    for (const line of lines) stream.write(line);
    await expect.poll(() => readFile(path, 'utf8')).toBe(lines.join(''));
    expect(stream.lost).toBe(0);
  });

  it('does not wait for a pipe that nobody reads, and tells what was lost when somebody does', async () => {
    const { fd, read } = await pipe();
    const stream = new LogStream(lossLine, fd);
    const line = `${'x'.repeat(999)}\n`;
    const lines = 3_000;
    for (let i = 0; i < lines; i += 1) {
      stream.write(line);
      stream.flush();
    }
    const kept = lines - stream.lost;
    expect(kept * line.length).toBeGreaterThan(limits.logBytesWaitingMax);
    expect(kept * line.length).toBeLessThan(limits.logBytesWaitingMax + 200_000);
    let found = '';
    await expect
      .poll(
        () => {
          found += read();
          return found;
        },
        { timeout: 10_000, interval: 20 },
      )
      .toMatch(/lost \d+\n$/);
    expect(found).toBe(`${line.repeat(kept)}lost ${stream.lost}\n`);
    stream.write('on again\n');
    stream.flush();
    expect(read()).toBe('on again\n');
  });

  it('counts what a full disk or a closed pipe does not take, without an error', async () => {
    const stream = new LogStream(lossLine, opened('/dev/full', constants.O_WRONLY));
    for (let i = 0; i < 10; i += 1) {
      stream.write('line\n');
      stream.flush();
    }
    expect(stream.lost).toBe(10);
    const path = join(await tempFolder(), 'pipe');
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const closed = new LogStream(lossLine, opened(path, constants.O_WRONLY));
    closeSync(reader);
    closed.write('line\n');
    closed.flush();
    expect(closed.lost).toBe(1);
  });
});
