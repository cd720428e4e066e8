/** The API's description as a hub serves it: it is made from the routes, which only a hub has all of. */
import { Agent, request } from 'undici';
import { RunningHub } from '../support/running-hub.ts';

export async function fetchDescription(): Promise<object> {
  const hub = await RunningHub.start();
  try {
    return await requestDescription(hub);
  } finally {
    await hub.stop();
  }
}

export async function requestDescription(hub: RunningHub): Promise<object> {
  const dispatcher = new Agent({ connect: { ca: hub.ca } });
  try {
    const { body } = await request(`${hub.url}/openapi.json`, { dispatcher });
    return (await body.json()) as object;
  } finally {
    await dispatcher.close();
  }
}
