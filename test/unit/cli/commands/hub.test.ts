import { describe, expect, it } from 'vitest';
import { hubCommand } from '../../../../cli/commands/hub.ts';
import type { CliContext, HubClient } from '../../../../cli/context.ts';
import { StreamPrinter } from '../../../../cli/printer.ts';

const kind = (name: string, count: number, more: object = {}) => ({
  kind: name,
  rule: `older than 1d (--${name}-kept)`,
  count,
  bytes: count * 1024,
  isMore: false,
  ...more,
});

/** Runs `modelfleet hub gc …` against a hub that answers so, one answer after the other. */
async function gc(answers: readonly (readonly object[])[], ...args: string[]) {
  const asked: unknown[] = [];
  const printed: string[] = [];
  const codes: number[] = [];
  const post = async (path: string, { dryRun }: { dryRun: boolean }) => {
    asked.push([path, dryRun]);
    return { dryRun, kinds: answers[asked.length - 1] };
  };
  const isJson = args.includes('json');
  const context: CliContext = {
    hub: async () => ({ post }) as unknown as HubClient,
    printer: () =>
      new StreamPrinter({
        format: isJson ? 'json' : 'table',
        out: (text) => printed.push(text),
        err: () => undefined,
      }),
    flags: () => ({}),
    endWith: (exitCode) => codes.push(exitCode),
  };
  const given = args.filter((arg) => arg !== 'json');
  await hubCommand(context).parseAsync(['gc', '--yes', ...given], { from: 'user' });
  return { asked, out: printed.join(''), code: codes[0] ?? 0 };
}

describe('modelfleet hub gc', () => {
  it('with --dry-run asks once and shows what would leave, since when, and by which rule', async () => {
    const oldestAt = Date.parse('2027-01-31T06:00:00Z');
    const { asked, out, code } = await gc(
      [[kind('upload', 3, { oldestAt, isMore: true }), kind('event', 0)]],
      '--dry-run',
    );
    expect(asked).toEqual([['/hub/gc', true]]);
    expect(out.split('\n')).toEqual([
      'WOULD LEAVE  COUNT    BYTES  OLDEST             RULE',
      'upload          3+  3.0 KiB  2027-01-31 06:00Z  older than 1d (--upload-kept)',
      'event            0      0 B  -                  older than 1d (--event-kept)',
      '',
    ]);
    expect(code).toBe(0);
  });

  it('asks again until nothing more leaves, and adds up what left', async () => {
    const answers = [
      [kind('upload', 500, { isMore: true }), kind('event', 2)],
      [kind('upload', 500, { isMore: true }), kind('event', 0)],
      [kind('upload', 7), kind('event', 0)],
    ];
    const { asked, out, code } = await gc(answers, 'json');
    expect(asked).toEqual([
      ['/hub/gc', false],
      ['/hub/gc', false],
      ['/hub/gc', false],
    ]);
    expect(JSON.parse(out)).toEqual({ dryRun: false, kinds: [kind('upload', 1_007), kind('event', 2)] });
    expect(code).toBe(0);
  });

  it('says which kind could not leave, and ends with 1', async () => {
    const answers = [
      [kind('upload', 1, { isMore: true }), kind('event', 0, { failed: 'disk_error' })],
      [kind('upload', 1), kind('event', 0)],
    ];
    const { out, code } = await gc(answers);
    expect(out).toMatch(/^event .* failed: disk_error$/m);
    expect(out).toMatch(/^upload +2 /m);
    expect(code).toBe(1);
  });
});
