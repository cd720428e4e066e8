/** Who is next, in the order in which they came. Leaving, and asking who is next, cost the same however many wait. */
export class RoundRobin<Member> {
  /** A number for each stay: one that left and came again has another. */
  readonly #stays = new Map<Member, number>();
  #count = 0;
  /** The next one last. */
  #front: { readonly member: Member; readonly stay: number }[] = [];
  /** The next one first; follows `#front`. */
  #back: { readonly member: Member; readonly stay: number }[] = [];

  get size(): number {
    return this.#stays.size;
  }

  /** Puts it at the end; one that is in keeps its place. */
  add(member: Member): void {
    if (this.#stays.has(member)) return;
    this.#count += 1;
    this.#stays.set(member, this.#count);
    this.#back.push({ member, stay: this.#count });
  }

  delete(member: Member): void {
    this.#stays.delete(member);
  }

  first(): Member | undefined {
    for (;;) {
      if (this.#front.length === 0) {
        if (this.#back.length === 0) return undefined;
        this.#front = this.#back.reverse();
        this.#back = [];
      }
      const { member, stay } = this.#front.at(-1)!;
      if (this.#stays.get(member) === stay) return member;
      this.#front.pop();
    }
  }
}
