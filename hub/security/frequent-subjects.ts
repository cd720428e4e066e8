/**
 * The most frequent subjects, of however many: whoever sends many strangers ahead is still named when he goes on. Counts a bounded number
 * of subjects; a new one takes the place, and the count, of the one with the least (Space-Saving, Metwally et al. 2005), so whoever makes
 * more than a hundredth of all is among them. Pure but for what it remembers.
 */
const COUNTED_MAX = 100;

export class FrequentSubjects {
  readonly #counts = new Map<string, number>();

  add(subject: string, count: number): void {
    let before = this.#counts.get(subject);
    if (before === undefined && this.#counts.size >= COUNTED_MAX) before = this.#dropLeast();
    this.#counts.set(subject, (before ?? 0) + count);
  }

  /** The most frequent first. */
  most(number: number): string[] {
    return [...this.#counts]
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, number)
      .map(([subject]) => subject);
  }

  #dropLeast(): number {
    let [subject, least] = ['', Number.POSITIVE_INFINITY];
    for (const [name, count] of this.#counts) if (count < least) [subject, least] = [name, count];
    this.#counts.delete(subject);
    return least;
  }
}
