/** The page of metrics of a running hub. */
import { Agent, request } from 'undici';
import type { RunningHub } from './running-hub.ts';

export async function hubMetrics(hub: RunningHub): Promise<string> {
  const dispatcher = new Agent({ connect: { ca: hub.ca } });
  try {
    const headers = { authorization: `Bearer ${hub.adminToken}` };
    const { body } = await request(`${hub.url}/metrics`, { headers, dispatcher });
    return await body.text();
  } finally {
    await dispatcher.close();
  }
}
