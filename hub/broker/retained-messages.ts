/**
 * Retained messages by topic, kept as a tree of topic levels: what a filter matches is walked to, never searched for, so
 * that a device which subscribes costs the same in a fleet of ten and of a hundred thousand. Pure.
 */
interface Level<Message> {
  message?: Message | undefined;
  readonly below: Map<string, Level<Message>>;
}

export class RetainedMessages<Message> {
  readonly #root: Level<Message> = { below: new Map() };

  set(topic: string, message: Message): void {
    let level = this.#root;
    for (const name of topic.split('/')) {
      let next = level.below.get(name);
      if (!next) {
        next = { below: new Map() };
        level.below.set(name, next);
      }
      level = next;
    }
    level.message = message;
  }

  delete(topic: string): void {
    const names = topic.split('/');
    const path = [this.#root];
    for (const name of names) {
      const next = path.at(-1)!.below.get(name);
      if (!next) return;
      path.push(next);
    }
    path.at(-1)!.message = undefined;
    // Levels that hold nothing any more go with it.
    for (let depth = names.length; depth > 0; depth -= 1) {
      const level = path[depth]!;
      if (level.message !== undefined || level.below.size > 0) return;
      path[depth - 1]!.below.delete(names[depth - 1]!);
    }
  }

  /** Messages on the topics that a filter matches (MQTT 3.1.1, section 4.7). */
  matching(filter: string): Generator<Message> {
    return matching(this.#root, filter.split('/'), 0);
  }
}

function* matching<Message>(
  level: Level<Message>,
  names: readonly string[],
  depth: number,
): Generator<Message> {
  const name = names[depth];
  if (name === undefined) {
    if (level.message !== undefined) yield level.message;
  } else if (name === '#') {
    yield* everythingFrom(level, depth);
  } else if (name === '+') {
    for (const [own, next] of level.below) {
      if (mayWildcardMatch(own, depth)) yield* matching(next, names, depth + 1);
    }
  } else {
    const next = level.below.get(name);
    if (next) yield* matching(next, names, depth + 1);
  }
}

function* everythingFrom<Message>(level: Level<Message>, depth: number): Generator<Message> {
  if (level.message !== undefined) yield level.message;
  for (const [name, next] of level.below) {
    if (mayWildcardMatch(name, depth)) yield* everythingFrom(next, depth + 1);
  }
}

/** A filter that begins with a wildcard does not match topics that begin with `$` [MQTT-4.7.2-1]. */
function mayWildcardMatch(name: string, depth: number): boolean {
  return depth > 0 || !name.startsWith('$');
}
