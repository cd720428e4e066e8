/**
 * SIGHUP: a program reads its configuration again, and goes on whatever it finds. Taken from the first moment of the program on, so that none
 * ends it: one that comes during the start is handled after it, one during the stop is not. Those that come while a reload is
 * under way are one more together. A terminal that closes sends SIGHUP as well: the program goes on without it.
 */
import { isDeepStrictEqual } from 'node:util';
import { errorText, isAppError } from '../shared/base/app-error.ts';
import type { Logger } from './logger.ts';
import { kebabCase, publicName } from './option-table.ts';

export class HangUps {
  #reload: (() => Promise<void>) | undefined;
  #isWanted = hungUpBefore();
  #isUnderWay = false;

  constructor(signals: Pick<NodeJS.Process, 'on'> = process) {
    signals.on('SIGHUP', () => {
      this.#isWanted = true;
      void this.#run();
    });
  }

  /** From now on; at once when one has come already. `reload` must not throw. */
  handle(reload: () => Promise<void>): void {
    this.#reload = reload;
    void this.#run();
  }

  /** The program stops. */
  ignore(): void {
    this.#reload = undefined;
  }

  async #run(): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    while (this.#isWanted && this.#reload) {
      this.#isWanted = false;
      await this.#reload();
    }
    this.#isUnderWay = false;
  }
}

/** Set by bin/start.js when a SIGHUP comes before the program's own code runs. */
const hungUp = Symbol.for('modelfleet.hungUp');

function hungUpBefore(): boolean {
  return (globalThis as Record<symbol, unknown>)[hungUp] === true;
}

/** What a reload did, by option as an operator writes it. */
export interface Reloaded {
  /** In force now. */
  readonly changed: readonly string[];
  /** Changed in the configuration, and not in force until the program is started again. */
  readonly needsRestart: readonly string[];
  /** What else was read again and has changed, such as certificates. */
  readonly renewed?: readonly string[];
}

/** Which options differ, split by those that may change while the program runs. */
export function compareOptions<T extends object>(
  before: T,
  after: T,
  reloadable: readonly (keyof T & string)[],
): Reloaded {
  const keys = (Object.keys(after) as (keyof T & string)[]).filter(
    (key) => !isDeepStrictEqual(before[key], after[key]),
  );
  const isReloadable = (key: string) => (reloadable as readonly string[]).includes(key);
  const names = (wanted: boolean) =>
    keys.filter((key) => isReloadable(key) === wanted).map((key) => kebabCase(publicName(key)));
  return { changed: names(true), needsRestart: names(false) };
}

/** Reads, applies and reports; what fails is logged and changes nothing. */
export async function reloadWith<T>(
  { read, apply }: { readonly read: () => Promise<T>; readonly apply: (options: T) => Promise<Reloaded> },
  logger: Logger,
): Promise<void> {
  try {
    const { needsRestart, ...done } = await apply(await read());
    logger.info(done, 'configuration reloaded');
    if (needsRestart.length > 0) logger.warn({ options: needsRestart }, 'changed options need a restart');
  } catch (error) {
    const reason = isAppError(error) ? { reason: errorText(error) } : { err: error };
    logger.error(reason, 'the configuration was not reloaded; the previous one stays in force');
  }
}
