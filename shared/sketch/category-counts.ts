/** Integer counts of a categorical feature over the categories of the signed profile; a value outside them is `unseen`. */
export class CategoryCounts {
  readonly categories: readonly string[];
  /** One count a category. */
  readonly counts: number[];
  unseen = 0;
  missing = 0;
  readonly #index: ReadonlyMap<string, number>;

  constructor(categories: readonly string[]) {
    this.categories = categories;
    this.counts = new Array<number>(categories.length).fill(0);
    this.#index = new Map(categories.map((category, i) => [category, i]));
  }

  /**
   * Numbers are compared by their shortest decimal text (`3`, `0.5`); NaN is missing. Returns the index of the category, their number
   * for an unseen one, undefined for a missing value.
   */
  add(value: number | bigint | string): number | undefined {
    if (typeof value === 'number' && Number.isNaN(value)) {
      this.missing += 1;
      return undefined;
    }
    const at = this.#index.get(String(value));
    if (at === undefined) {
      this.unseen += 1;
      return this.categories.length;
    }
    this.counts[at]! += 1;
    return at;
  }
}
