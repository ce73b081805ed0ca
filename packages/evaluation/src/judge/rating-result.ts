/** From the ratings of a model's turns to its result. */
import { PoissonBootstrap, type Estimate } from '../statistics/poisson-bootstrap.js';
import type { Question } from '../benchmarks/questions.js';
import { NO_RATING, turnKey, type TurnJudgment } from './single.js';

export interface RatingResult {
  model: string;
  judge: string;
  questions: number;
  /** Turns with a rating: only these count below. */
  rated: number;
  /** Turns where the judge gave no rating. */
  withoutVerdict: number;
  /** Turns that are not in the file: the judge could not be asked. */
  missing: number;
  /** Mean rating of all turns, and its interval over questions. */
  rating: Estimate | undefined;
  turns: Record<'1' | '2', Estimate | undefined>;
  categories: Record<string, { rated: number; rating: number }>;
}

/**
 * @param questions in the order of their file: it decides the draws of the bootstrap.
 * @param judgments by {@link turnKey}.
 */
export function ratingResult(
  questions: readonly Question[],
  judgments: ReadonlyMap<string, TurnJudgment>,
  names: { model: string; judge: string },
): RatingResult {
  const all = new PoissonBootstrap(['rating']);
  const byTurn = { '1': new PoissonBootstrap(['rating']), '2': new PoissonBootstrap(['rating']) };
  const counts = { rated: 0, withoutVerdict: 0, missing: 0 };
  const categories = new Map<string, { sum: number; rated: number }>();
  questions.forEach((question, place) => {
    const ratings: number[] = [];
    for (const turn of (['1', '2'] as const).slice(0, question.turns.length)) {
      const score = judgments.get(turnKey(question.id, Number(turn)))?.score;
      if (score === undefined) counts.missing++;
      else if (score === NO_RATING) counts.withoutVerdict++;
      else {
        ratings.push(score);
        byTurn[turn].add(place, { rating: score });
      }
    }
    if (ratings.length === 0) return;
    counts.rated += ratings.length;
    const sum = ratings.reduce((a, b) => a + b, 0);
    all.add(place, { rating: sum }, ratings.length);
    const category = categories.get(question.category) ?? { sum: 0, rated: 0 };
    categories.set(question.category, { sum: category.sum + sum, rated: category.rated + ratings.length });
  });
  return {
    ...names,
    questions: questions.length,
    ...counts,
    rating: all.estimate('rating'),
    turns: { '1': byTurn['1'].estimate('rating'), '2': byTurn['2'].estimate('rating') },
    categories: Object.fromEntries(
      [...categories].map(([name, { sum, rated }]) => [name, { rated, rating: sum / rated }]),
    ),
  };
}
