/** From values to places in a drawing. */

/** Maps values of `domain` to pixels of `range`. */
export interface Scale {
  domain: readonly [low: number, high: number];
  range: readonly [atLow: number, atHigh: number];
  /** The pixel of a value; a value beyond the domain is placed at the domain's end. */
  at(value: number): number;
}

/** Equal differences take equal lengths. @param domain low < high. */
export function linearScale(domain: Scale['domain'], range: Scale['range']): Scale {
  const [low, high] = domain;
  // Halves: the difference of two large values may overflow.
  return scaleBy(domain, range, (value) => (value / 2 - low / 2) / (high / 2 - low / 2));
}

/** Equal ratios take equal lengths. @param domain 0 < low < high. */
export function logScale(domain: Scale['domain'], range: Scale['range']): Scale {
  const [low, high] = domain.map(Math.log10) as [number, number];
  return scaleBy(domain, range, (value) => (value <= 0 ? 0 : (Math.log10(value) - low) / (high - low)));
}

function scaleBy(domain: Scale['domain'], range: Scale['range'], share: (value: number) => number): Scale {
  const [start, end] = range;
  return { domain, range, at: (value) => start + (end - start) * Math.min(1, Math.max(0, share(value))) };
}

/** A coordinate with a tenth of a pixel: shorter files, and the same text on every machine. */
export function px(coordinate: number): string {
  return String(Math.round(coordinate * 10) / 10);
}
