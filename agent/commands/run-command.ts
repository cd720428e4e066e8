/** `modelfleet-agent run`. */
import { Command } from 'commander';
import { addOptionFlags, optionSourcesText } from '../../platform/load-options.ts';
import { makeLogger, makeLogStream, setLogLevel } from '../../platform/logger.ts';
import { HangUps, reloadWith } from '../../platform/reload.ts';
import { LastingParts, openServiceManager } from '../../platform/service-manager.ts';
import { endProgram, outliveOutput } from '../../platform/standard-output.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { exitCodes } from '../../shared/errors/failure.ts';
import { agentEnvPrefix, loadAgentOptions } from '../config/load-options.ts';
import { agentOptionTable } from '../config/options-schema.ts';
import { printResult } from './print-result.ts';
import { UsageError } from './usage-error.ts';

export function runCommand(version: string): Command {
  return addOptionFlags(new Command('run'), agentOptionTable, 'agent.yaml in the data folder')
    .description('run the agent until SIGTERM or Ctrl-C')
    .option('--json', 'print the addresses as one line of JSON')
    .addHelpText('after', optionSourcesText(agentEnvPrefix))
    .action(async ({ json, ...flags }: Record<string, unknown>) => {
      const hangUps = new HangUps();
      const read = () => loadAgentOptions(flags, process.env);
      const options = await read().catch((error: unknown) => {
        throw new UsageError(error);
      });
      // Loaded here: the other commands start without the daemon's code.
      const { createAgent } = await import('../agent.ts');
      outliveOutput();
      const log = makeLogStream('agent');
      const logger = makeLogger('agent', options.logLevel, log);
      const lasting = new LastingParts();
      const manager = openServiceManager({ env: process.env, isAlive: () => lasting.areAlive, logger });
      const agent = createAgent(options, {
        clock: systemClock,
        random: Math.random,
        logger,
        logLost: () => log.lost,
        lasting,
        version,
      });
      const stopping = new Promise<string>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
      });
      const addresses = await agent.start();
      printResult(json === true, {
        value: addresses,
        lines: () => [
          `modelfleet agent "${addresses.device}"`,
          `  local API   ${addresses.url}`,
          `  hub         ${addresses.hub}`,
        ],
      });
      logger.info({ ...addresses, data: options.data }, 'agent started');
      const apply = async (next: typeof options) => {
        const reloaded = agent.reload(next);
        setLogLevel(logger, next.logLevel);
        return reloaded;
      };
      hangUps.handle(() => reloadWith({ read, apply }, logger));
      manager.ready();
      const signal = await stopping;
      hangUps.ignore();
      logger.info({ signal }, 'agent stops');
      manager.stopping();
      await agent.stop();
      logger.flush();
      await endProgram(exitCodes.ok);
    });
}
