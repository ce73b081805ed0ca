/** Looks at files that grow. */
import { useEffect, useState } from 'preact/hooks';
import { asProblem, type SiteProblem } from '../files/site-problem.js';

/** Between two looks. */
const POLL_MS = 2000;

/**
 * Looks now and, until nothing more is to come, again and again. A look that fails is no last one.
 * @param look returns whether it was the last. It is given a way to ask whether its view is still there.
 * @returns why the latest look failed.
 */
export function useLooks(
  look: (isThere: () => boolean) => Promise<boolean>,
  dependsOn: readonly unknown[],
): SiteProblem | undefined {
  const [problem, setProblem] = useState<SiteProblem>();
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = async () => {
      let done = false;
      try {
        done = await look(() => !gone);
        if (!gone) setProblem(undefined);
      } catch (error) {
        if (!gone) setProblem(asProblem(error));
      }
      if (!gone && !done) timer = setTimeout(() => void next(), POLL_MS);
    };
    void next();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, dependsOn as unknown[]);
  return problem;
}
