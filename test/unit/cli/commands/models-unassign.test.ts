import { describe, expect, it } from 'vitest';
import { modelsCommand } from '../../../../cli/commands/models.ts';
import type { CliContext, HubClient } from '../../../../cli/context.ts';

/** Runs `modelfleet models unassign …` against a canned answer; returns what was asked and what was printed. */
async function run(...args: string[]) {
  const asked: unknown[] = [];
  const printed: string[] = [];
  const post = async (path: string, body: unknown) => {
    asked.push([path, body]);
    const failed = [{ device: 'b', code: 'internal', message: 'it cannot be read' }];
    return { model: 'iris', devices: 2, failed };
  };
  const context = {
    hub: async () => ({ post }) as unknown as HubClient,
    printer: () => ({ result: (_: unknown, text: () => string[]) => printed.push(...text()) }),
  } as unknown as CliContext;
  await modelsCommand(context).parseAsync(['unassign', ...args], { from: 'user' });
  return { asked, printed };
}

describe('modelfleet models unassign', () => {
  it('takes the model off a device or a group, and names who could not be told', async () => {
    expect((await run('iris', '--device', 'a', '--yes')).asked).toEqual([
      ['/models/iris/unassign', { device: 'a' }],
    ]);
    const { asked, printed } = await run('iris', '--group', 'lab', '--yes');
    expect(asked).toEqual([['/models/iris/unassign', { group: 'lab' }]]);
    expect(printed).toEqual([
      '"iris" is taken off 2 devices; an offline device removes it when it reconnects.',
      'b  could not be told: internal: it cannot be read',
    ]);
  });

  it('does nothing without --yes where there is no terminal', async () => {
    await expect(run('iris', '--group', 'lab')).rejects.toMatchObject({
      code: 'confirmation_required',
      message: expect.stringMatching(/Cannot unassign "iris" without confirmation.*--yes/),
    });
  });

  it('wants one of device and group', async () => {
    await expect(run('iris', '--yes')).rejects.toMatchObject({ code: 'bad_usage' });
    await expect(run('iris', '--yes', '--device', 'a', '--group', 'b')).rejects.toMatchObject({
      code: 'bad_usage',
    });
  });
});
