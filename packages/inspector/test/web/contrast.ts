/** Contrast of every text of a page, by WCAG 2.2, 1.4.3. Runs inside the page. */

export interface PoorText {
  text: string;
  ratio: number;
  colours: string;
}

/** Texts whose contrast is below what they need: 4.5, or 3 where they are large. Needs nothing from outside: it is sent to the page. */
export function poorTexts(): { poor: PoorText[]; seen: number } {
  type Colour = [red: number, green: number, blue: number, alpha: number];
  const parse = (text: string): Colour => {
    const numbers = (text.match(/-?[\d.]+(?:e-?\d+)?/g) ?? []).map(Number);
    const scale = text.startsWith('color(srgb') ? 255 : 1;
    const [red = 0, green = 0, blue = 0, alpha = 1] = numbers;
    return [red * scale, green * scale, blue * scale, alpha];
  };
  const over = (top: Colour, below: Colour): Colour => {
    const mix = (i: 0 | 1 | 2) => top[i] * top[3] + below[i] * (1 - top[3]);
    return [mix(0), mix(1), mix(2), 1];
  };
  const ground = (element: Element | null): Colour => {
    if (element === null) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
  };
  const luminance = (colour: Colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const poor: PoorText[] = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement!;
    const text = node.textContent!.trim();
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (
      text === '' ||
      box.width < 2 ||
      style.visibility === 'hidden' ||
      ['TITLE', 'NOSCRIPT', 'OPTION'].includes(element.tagName)
    )
      continue;
    if (element.closest('select') !== null) continue;
    seen++;
    const back = ground(element);
    const front = parse(element.namespaceURI?.includes('svg') ? style.fill : style.color);
    front[3] *= Number(style.opacity);
    const [a, b] = [luminance(over(front, back)), luminance(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5))
      poor.push({ text: text.slice(0, 40), ratio, colours: `${front.join()} on ${back.join()}` });
  }
  return { poor, seen };
}
