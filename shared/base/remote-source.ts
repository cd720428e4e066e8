/** Who counts as one where somebody is known by the address alone: whoever has one address may have many. Pure. */

/** What counts as one source of connections: an IPv4 address, or the first 64 bits of an IPv6 address. */
export function sourceOf(address: string): string {
  const mapped = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const [before, after] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before!.length - after!.length);
  return [...before!, ...Array<string>(zeros).fill('0'), ...after!].slice(0, 4).join(':');
}

/** What counts as one network of sources: whoever has one of them may well have the others. */
export function networkOf(source: string): string {
  return source.includes(':')
    ? source.split(':').slice(0, 3).join(':')
    : source.split('.').slice(0, 3).join('.');
}
