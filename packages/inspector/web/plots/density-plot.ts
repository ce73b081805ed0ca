/** Log-probs of two models against each other: how many tokens lie in each square. */
import {
  linearScale,
  linearTicks,
  markup,
  plotArea,
  px,
  shownNumber,
  type Plot,
} from '@selective-dpo/sweeps/plots';

/** Squares a side. */
const SQUARES = 44;
const HEIGHT = 330;
/** Strengths of a square's colour. */
const STRENGTHS = 6;

export interface Density {
  /** Both axes go from `low` to 0, in nats; values below stand in the first square. */
  low: number;
  /** Tokens that one of the models gives less than `low`. */
  below: number;
  /** [SQUARES · SQUARES] counts, by policy, then reference. */
  counts: Uint32Array;
  most: number;
  tokens: number;
}

/** Counts tokens. @param lists log-probs [T] of reference and policy of each answer. */
export function densityOf(lists: readonly { ref: Float32Array; policy: Float32Array }[]): Density {
  const low = lowEnd(lists);
  const counts = new Uint32Array(SQUARES * SQUARES);
  const square = (logp: number) => Math.min(SQUARES - 1, Math.max(0, Math.floor((1 - logp / low) * SQUARES)));
  let [most, tokens, below] = [0, 0, 0];
  for (const { ref, policy } of lists) {
    for (let t = 0; t < ref.length; t++) {
      const at = square(policy[t]!) * SQUARES + square(ref[t]!);
      most = Math.max(most, ++counts[at]!);
      tokens++;
      if (Math.min(policy[t]!, ref[t]!) < low) below++;
    }
  }
  return { low, below, counts, most, tokens };
}

/** What 99 of 100 tokens lie above, at least 1 nat. */
function lowEnd(lists: readonly { ref: Float32Array; policy: Float32Array }[]): number {
  const every = Math.max(1, Math.floor(lists.reduce((sum, { ref }) => sum + ref.length, 0) / 50_000));
  const sample: number[] = [];
  let at = 0;
  for (const { ref, policy } of lists)
    for (let t = 0; t < ref.length; t++) if (at++ % every === 0) sample.push(Math.min(ref[t]!, policy[t]!));
  sample.sort((a, b) => a - b);
  return Math.min(-1, Math.floor(sample[Math.floor(sample.length / 100)] ?? -1));
}

/** The plot, with a line where both models agree. */
export function densityPlot({ low, below, counts, most, tokens }: Density, title: string): Plot {
  const yTicks = linearTicks([low, 0], 6);
  const area = plotArea(yTicks, HEIGHT);
  const x = linearScale([low, 0], [area.left, area.right]);
  const y = linearScale([low, 0], [area.bottom, area.top]);
  const [wide, tall] = [(area.right - area.left) / SQUARES, (area.bottom - area.top) / SQUARES];
  const squares = Array.from(counts, (count, at) => {
    if (count === 0) return markup``;
    const [row, column] = [Math.floor(at / SQUARES), at % SQUARES];
    // Logarithms: most tokens are near 0, and the few elsewhere are what one looks for.
    const strength = Math.max(1, Math.ceil((STRENGTHS * Math.log1p(count)) / Math.log1p(most)));
    const place = markup`x="${px(area.left + column * wide)}" y="${px(area.bottom - (row + 1) * tall)}" width="${px(wide)}" height="${px(tall)}"`;
    return markup`<rect class="square q${strength}" ${place}><title>${shownNumber(count)}</title></rect>`;
  });
  const outside =
    below > 0 ? ` ${shownNumber(below)} of them lie below ${shownNumber(low)} and stand at the edge.` : '';
  const diagonal = markup`<path class="agree" d="M${px(x.at(low))} ${px(y.at(low))}L${px(x.at(0))} ${px(y.at(0))}"/>`;
  return {
    ...{ title, area, legend: [] },
    notes: [
      `${shownNumber(tokens)} tokens. Vertical: log-prob of the policy. Above the line the policy likes a token more.${outside}`,
    ],
    x: { label: 'log-prob of the reference, nats', at: x.at, ticks: linearTicks([low, 0], 6) },
    y: { at: y.at, ticks: yTicks },
    marks: [...squares, diagonal],
  };
}
