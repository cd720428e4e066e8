/** What a reader can do with the fleet that the demo leaves running. */
import { join } from 'node:path';
import type { Fleet } from '../fleet.ts';
import type { Narrator } from '../narrator.ts';
import { deviceIds, model } from './stage.ts';

export function printNextCommands(fleet: Fleet, narrator: Narrator): void {
  const readings = '[1360,1046,1056,1692,1268,13.6,48.9,0.7578]';
  narrator.chapter('The fleet is still running. In another terminal, in this folder:');
  for (const line of [
    `export MODELFLEET_CONFIG=${join(fleet.folder, 'login.json')}`,
    'npm exec -- modelfleet devices list',
    'npm exec -- modelfleet rollout list',
    'npm exec -- modelfleet rollout status',
    `npm exec -- modelfleet drift show --model ${model}`,
    `npm exec -- modelfleet telemetry show --model ${model}`,
    'npm exec -- modelfleet audit list',
    `curl -s ${fleet.agentUrl(deviceIds[0])}/v2/models/${model}/infer -H 'content-type: application/json' -d '{"inputs":[{"name":"sensors","datatype":"FP32","shape":[1,8],"data":${readings}}]}'`,
  ]) {
    narrator.tell(line);
  }
  narrator.tell(`REST API and its docs: ${fleet.hub.url}/docs   (CA: ${join(fleet.hubData, 'pki')})`);
  narrator.tell('Ctrl-C ends it.');
}
