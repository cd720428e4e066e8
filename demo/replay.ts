/**
 * Replays hourly readings through the agents' local APIs in fast time, as the machines the sensors are built into
 * would: one request an hour, the reference analyser's value following as feedback.
 */
import { Pool } from 'undici';

export interface LabelledReading {
  /** The eight inputs, in the order of the model's columns. */
  readonly inputs: readonly number[];
  /** Reference value, where the analyser had one. */
  readonly label: number | undefined;
}

export interface ReplayResult {
  readonly answered: number;
  readonly failed: number;
  readonly labelled: number;
  /** First error text seen, for the reader. */
  readonly firstError: string | undefined;
}

const REQUESTS_AT_ONCE_PER_AGENT = 2;

/** Gives each reading to one of the agents in turn. Failures are counted, not thrown: a bad version's errors are part of the story. */
export async function replay({
  agents,
  readings,
  model,
}: {
  readonly agents: readonly string[];
  readonly readings: readonly LabelledReading[];
  readonly model: string;
}): Promise<ReplayResult> {
  const counts = { answered: 0, failed: 0, labelled: 0, firstError: undefined as string | undefined };
  await Promise.all(
    agents.map(async (origin, turn) => {
      const pool = new Pool(origin, { connections: REQUESTS_AT_ONCE_PER_AGENT });
      const mine = readings.filter((_, i) => i % agents.length === turn);
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < mine.length) {
          const reading = mine[next++]!;
          const id = `hour-${turn}-${next}-${readings.length}-${Math.random().toString(36).slice(2)}`;
          const answer = await post(pool, `/v2/models/${model}/infer`, {
            id,
            inputs: [
              { name: 'sensors', datatype: 'FP32', shape: [1, reading.inputs.length], data: reading.inputs },
            ],
          });
          if (answer.status === 200) counts.answered += 1;
          else {
            counts.failed += 1;
            counts.firstError ??= String((answer.body as { error?: unknown }).error);
          }
          if (answer.status === 200 && reading.label !== undefined) {
            const feedback = await post(pool, `/v2/models/${model}/feedback`, { id, label: reading.label });
            if (feedback.status === 200) counts.labelled += 1;
          }
        }
      };
      await Promise.all(Array.from({ length: REQUESTS_AT_ONCE_PER_AGENT }, worker));
      await pool.close();
    }),
  );
  return counts;
}

/** One request with a JSON body; any status is an answer. */
export async function post(
  pool: Pool,
  path: string,
  body: unknown,
): Promise<{ status: number; body: unknown }> {
  const response = await pool.request({
    path,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.statusCode, body: await response.body.json() };
}
