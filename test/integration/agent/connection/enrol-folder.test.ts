import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { programEntry } from '../../../support/programs.ts';

const main = programEntry('agent/main');

it('enrol puts the identity where run looks for it: in the folder that the environment names', async () => {
  const env = { ...process.env, MODELFLEET_AGENT_DATA: '/srv/agent-of-env' };
  const { stdout } = await promisify(execFile)(process.execPath, [main, 'enrol', '--help'], { env });
  expect(stdout).toContain('(default: /srv/agent-of-env)');
});
