/** A problem in plain words. */
import type { SiteProblem } from '../files/site-problem.js';
import { shownLine } from '../text/token-text.js';

const MAX_MESSAGE = 600;

export function Problem({ problem }: { problem: SiteProblem }) {
  return (
    <div class="problem" role="alert">
      <strong>{shownLine(problem.message, MAX_MESSAGE)}</strong>
      {problem.advice !== '' && <p>{problem.advice}</p>}
    </div>
  );
}
