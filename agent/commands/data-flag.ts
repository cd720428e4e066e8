/** `--data` of the commands that need no other option of the agent. */
import { agentOptionTable } from '../config/options-schema.ts';

export const dataFlag = '--data <DIR>';
export const dataFlagText = `data folder of the agent (default: MODELFLEET_AGENT_DATA, else ${agentOptionTable.data.default})`;
