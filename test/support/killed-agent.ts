/**
 * An agent in a process of its own that dies by SIGKILL at a step of an update: right after the state was stored, before
 * anything is done in it. Run by small-fleet.ts.
 */
import { flushCompileCache } from 'node:module';
import { createAgent } from '../../agent/agent.ts';
import { type AgentOptions, agentOptionTable } from '../../agent/config/options-schema.ts';
import { makeLogger } from '../../platform/logger.ts';
import { resolveOptions } from '../../platform/option-table.ts';
import { systemClock } from '../../platform/system-clock.ts';
import type { UpdateState } from '../../shared/protocol/update-event.ts';

export interface KilledAgentOrder {
  readonly options: Partial<AgentOptions>;
  readonly killAt: UpdateState;
}

const { options, killAt } = JSON.parse(process.argv[2]!) as KilledAgentOrder;
const agent = createAgent(
  { ...resolveOptions(agentOptionTable, []), ...options },
  {
    clock: systemClock,
    random: Math.random,
    logger: makeLogger('agent', 'info'),
    version: '0.0.0',
    onTransition: (_model, state) => {
      if (state === killAt) process.kill(process.pid, 'SIGKILL');
    },
  },
);
// Node writes what it has compiled at an exit, which never comes.
flushCompileCache();
process.stdout.write(`${JSON.stringify(await agent.start())}\n`);
