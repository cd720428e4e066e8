/**
 * What an object used as a map holds under `key` itself. Every plain object also answers to the names it inherits
 * (`constructor`, `toString`, `__proto__`, …), and a model, a device or a tensor may be called that.
 */
export function ownValue<T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}
