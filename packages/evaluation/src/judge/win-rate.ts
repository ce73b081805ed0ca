/** From the judgments of a match to its result. */
import { PoissonBootstrap, type Estimate } from '../statistics/poisson-bootstrap.js';
import type { Question } from '../benchmarks/questions.js';
import type { PairwiseJudgment } from './pairwise.js';
import { pointsOfA } from './verdict.js';

export interface PairwiseResult {
  model: string;
  baseline: string;
  judge: string;
  questions: number;
  /** Questions with a verdict in both orders: only these count below. */
  judged: number;
  /** Questions where the judge gave no verdict in one order or both. They count for nobody. */
  withoutVerdict: number;
  /** Questions that are not in the file: the judge could not be asked. */
  missing: number;
  /**
   * Arena-Hard's score: the model's share of the points of both orders, a verdict `>>` counting three times; the interval over
   * questions.
   */
  winRate: Estimate | undefined;
  /** Questions by the points of both orders together: more than half, half, less. */
  wins: number;
  ties: number;
  losses: number;
  /** Ties where each order named another winner. */
  contradictions: number;
  /** Share of the points that went to whoever stood first; 0.5 for a judge that does not look at places. */
  firstPlaceShare: number | undefined;
  /** Win rates by category where there are several. */
  categories: Record<string, { judged: number; winRate: number }>;
}

/** The model's points in one question. */
interface Score {
  points: number;
  weight: number;
}

/**
 * @param questions in the order of their file: it decides the draws of the bootstrap.
 * @param judgments by the question's id as text.
 */
export function pairwiseResult(
  questions: readonly Question[],
  judgments: ReadonlyMap<string, PairwiseJudgment>,
  names: { model: string; baseline: string; judge: string },
): PairwiseResult {
  const bootstrap = new PoissonBootstrap(['points']);
  const result = { judged: 0, withoutVerdict: 0, missing: 0, wins: 0, ties: 0, losses: 0, contradictions: 0 };
  const first: Score = { points: 0, weight: 0 };
  const categories = new Map<string, Score & { judged: number }>();
  questions.forEach((question, place) => {
    const judgment = judgments.get(String(question.id));
    if (judgment === undefined) {
      result.missing++;
      return;
    }
    const score = scoreOf(judgment);
    if (score === undefined) {
      result.withoutVerdict++;
      return;
    }
    result.judged++;
    bootstrap.add(place, { points: score.points }, score.weight);
    first.points += score.firstPlacePoints;
    first.weight += score.weight;
    const category = categories.get(question.category) ?? { points: 0, weight: 0, judged: 0 };
    categories.set(question.category, {
      points: category.points + score.points,
      weight: category.weight + score.weight,
      judged: category.judged + 1,
    });
    const share = score.points / score.weight;
    result[share > 0.5 ? 'wins' : share < 0.5 ? 'losses' : 'ties']++;
    if (score.contradiction) result.contradictions++;
  });
  return {
    ...names,
    questions: questions.length,
    ...result,
    winRate: bootstrap.estimate('points'),
    firstPlaceShare: first.weight === 0 ? undefined : first.points / first.weight,
    categories:
      categories.size < 2
        ? {}
        : Object.fromEntries(
            [...categories].map(([name, { points, weight, judged }]) => [
              name,
              { judged, winRate: points / weight },
            ]),
          ),
  };
}

/** undefined where a game has no verdict. */
function scoreOf({
  games: [asB, asA],
}: PairwiseJudgment): (Score & { firstPlacePoints: number; contradiction: boolean }) | undefined {
  if (asB.score === null || asA.score === null) return undefined;
  const [baselineFirst, modelFirst] = [pointsOfA(asB.score), pointsOfA(asA.score)];
  const points = modelFirst.points + baselineFirst.weight - baselineFirst.points;
  const weight = modelFirst.weight + baselineFirst.weight;
  return {
    ...{ points, weight, firstPlacePoints: baselineFirst.points + modelFirst.points },
    contradiction: points * 2 === weight && !(asB.score === 'A=B' && asA.score === 'A=B'),
  };
}
