/** Asks the agent that runs on a data folder. */
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { type ErrorCode, errorCatalogue } from '../../shared/errors/catalogue.ts';
import { dataFolder } from '../config/data-folder.ts';
import { type ControlFile, controlFileBytesMax, parseControlFile } from './control-server.ts';

const ANSWER_MS = 10_000;

/** Throws `agent_not_running`, or the agent's own error. */
export async function askAgent(data: string, method: 'GET' | 'POST', path: string): Promise<unknown> {
  const { port, secret } = await readControlFile(data);
  let response: Response;
  try {
    response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { authorization: `Bearer ${secret}` },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch (cause) {
    throw notRunning(data, cause);
  }
  // Another program may have taken the port of an agent that was killed.
  if (response.status === 401) throw notRunning(data);
  const body = (await response.json()) as { code?: string; message?: string };
  if (response.ok) return body;
  const isKnown = body.code !== undefined && Object.hasOwn(errorCatalogue, body.code);
  const code = isKnown ? (body.code as ErrorCode) : 'internal';
  throw new AppError(code, body.message ?? 'The agent refused the request.');
}

async function readControlFile(data: string): Promise<ControlFile> {
  try {
    return parseControlFile(await readRegularFile(dataFolder(data).control, controlFileBytesMax));
  } catch (cause) {
    throw notRunning(data, cause);
  }
}

function notRunning(data: string, cause?: unknown): AppError {
  return new AppError(
    'agent_not_running',
    `Cannot reach the agent of data folder "${data}": it is not running.`,
    {
      cause,
    },
  );
}
