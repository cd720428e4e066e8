/**
 * Order of versions by precedence (semver.org 2.0.0 §11): 9.9.0 before 9.10.0, 1.0.0-rc.2 before 1.0.0-rc.10 before 1.0.0. For
 * sorting, the older first. What is no semantic version comes before all that are, by its text.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  if (left === undefined || right === undefined) {
    return left === right ? byText(a, b) : left === undefined ? -1 : 1;
  }
  return byParts(left.core, right.core) || byPreRelease(left.preRelease, right.preRelease) || byText(a, b);
}

interface Parts {
  readonly core: readonly string[];
  readonly preRelease: readonly string[];
}

function partsOf(version: string): Parts | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/.exec(version);
  return match ? { core: match.slice(1, 4), preRelease: match[4]?.split('.') ?? [] } : undefined;
}

/** A version without a pre-release comes after those that led to it. */
function byPreRelease(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  return byParts(a, b);
}

/** Part by part; of two that are the same as far as they go, the shorter comes first. */
function byParts(a: readonly string[], b: readonly string[]): number {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    const order = byPart(part, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Numbers by size, however long, and before words. */
function byPart(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  if (!isNumber) return byText(a, b);
  const [left, right] = [BigInt(a), BigInt(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** By code unit, which for ASCII is the order that semver.org asks for. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
