/** `modelfleet-agent` as a user types it. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { programEntry } from '../../support/programs.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const main = programEntry('agent/main');
const run = promisify(execFile);

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function agent(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(process.execPath, [main, ...args], {
      env: { ...process.env, ...env },
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Outcome;
    return { code, stdout, stderr };
  }
}

describe('modelfleet-agent', () => {
  it('run: a device that is not enrolled is told how to', async () => {
    const { code, stderr } = await agent(['run', '--data', await tempFolder()]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/is not enrolled[\s\S]*code: not_enrolled[\s\S]*modelfleet-agent enrol --token/);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('run: a wrong option names itself, where it comes from and what is wanted', async () => {
    const folder = await tempFolder();
    const flag = await agent(['run', '--data', folder, '--port', '70000']);
    expect(flag.stderr).toMatch(/Cannot use --port "70000": expected a whole number from 0 to 65535/);
    const variable = await agent(['run', '--data', folder], { MODELFLEET_AGENT_WINDOW: 'soon' });
    expect(variable.stderr).toMatch(/MODELFLEET_AGENT_WINDOW/);
    await writeFile(join(folder, 'agent.yaml'), 'prot: 7470\n');
    const file = await agent(['run', '--data', folder]);
    expect(file.stderr).toMatch(/"prot" of .*agent\.yaml: the option does not exist/);
    expect([flag.code, variable.code, file.code]).toEqual([2, 2, 2]);
  });

  it('status and rollback: say that no agent runs there', async () => {
    const folder = await tempFolder();
    expect((await agent(['status', '--data', folder])).stderr).toMatch(/code: not_enrolled/);
    expect((await agent(['rollback', '--data', folder])).stderr).toMatch(/code: agent_not_running/);
  });

  it('doctor: goes on after what is wrong, and exits non-zero', async () => {
    const { code, stdout } = await agent(['doctor', '--data', await tempFolder()]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/FAIL {2}identity[\s\S]*OK {4}disk[\s\S]*OK {4}runner/);
  });

  it('exits 2 on wrong usage', async () => {
    expect((await agent(['fly'])).code).toBe(2);
    expect((await agent(['run', '--wings'])).code).toBe(2);
  });
});
