/** Tells the story line by line, and keeps count of what was checked. */
class StoryError extends Error {
  override readonly name = 'StoryError';
}

export class Narrator {
  #checks = 0;
  readonly #started = performance.now();

  /** A new chapter. */
  chapter(title: string): void {
    this.#line(`\n${bold(title)}`);
  }

  /** Something that happens. */
  tell(text: string): void {
    this.#line(`  ${text}`);
  }

  /** A command the reader could type. */
  command(args: readonly string[]): void {
    this.#line(dim(`  $ ${args.join(' ')}`));
  }

  /** Output worth showing as it is. */
  show(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.#line(dim(`    ${line}`));
  }

  /** A claim that must hold; the story ends with an error when it does not. */
  check(claim: string, holds: boolean, found?: unknown): void {
    if (!holds) {
      throw new StoryError(
        `${claim}: this does not hold${found === undefined ? '' : ` (found ${JSON.stringify(found)})`}`,
      );
    }
    this.#checks += 1;
    this.#line(`  ${green('✓')} ${claim}`);
  }

  get checks(): number {
    return this.#checks;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1_000;
  }

  #line(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}

const colours = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
const bold = (text: string): string => (colours ? `\u001b[1m${text}\u001b[0m` : text);
const dim = (text: string): string => (colours ? `\u001b[2m${text}\u001b[0m` : text);
const green = (text: string): string => (colours ? `\u001b[32m${text}\u001b[0m` : text);
